//! Which nvcc and host compiler make the kernels.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{self, Path, PathBuf};
use std::process::Command;

use super::manifest::NvccVersion;

/// How a variable of the environment is looked up; an empty one counts as unset.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// What to do about kernels: `SPARKBENCH_CUDA`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Build them if there is an nvcc (the default).
    Auto,
    /// Build them or fail.
    Require,
    /// Build none.
    Off,
}

impl Mode {
    /// Reads `SPARKBENCH_CUDA`.
    pub fn from_env(env: Env) -> Result<Self, String> {
        match env("SPARKBENCH_CUDA") {
            None => Ok(Self::Auto),
            Some(value) => match value.to_str() {
                Some("auto") => Ok(Self::Auto),
                Some("require") => Ok(Self::Require),
                Some("off") => Ok(Self::Off),
                _ => Err(format!(
                    "expected SPARKBENCH_CUDA to be auto, require or off, found {value:?}"
                )),
            },
        }
    }
}

/// The two compilers of a kernel image, with what they say of themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain {
    /// The device compiler.
    pub nvcc: PathBuf,
    /// Its version.
    pub nvcc_version: NvccVersion,
    /// What nvcc gets as `-ccbin`.
    pub host_compiler: PathBuf,
    /// First line of its `--version`.
    pub host_compiler_version: String,
}

impl Toolchain {
    /// Asks both compilers for their versions.
    pub fn new(nvcc: PathBuf, host_compiler: PathBuf) -> Result<Self, String> {
        // It runs in another directory than this program.
        let nvcc = path::absolute(&nvcc).map_err(|e| format!("{}: {e}", nvcc.display()))?;
        Ok(Self {
            nvcc_version: nvcc_version(&output(&nvcc, ["--version"])?)?,
            host_compiler_version: first_line(&output(&host_compiler, ["--version"])?),
            nvcc,
            host_compiler,
        })
    }
}

/// Refuses the variables through which nvcc takes flags that no manifest would name.
pub fn refuse_hidden_flags(env: Env) -> Result<(), String> {
    let set: Vec<_> = ["NVCC_PREPEND_FLAGS", "NVCC_APPEND_FLAGS"]
        .into_iter()
        .filter(|variable| env(variable).is_some())
        .collect();
    match set.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "unset {}: the flags of a kernel image are those of kernels/build.json and no others",
            set.join(" and ")
        )),
    }
}

/// Where nvcc is: `NVCC`, `CUDA_HOME`, `CUDA_PATH`, `PATH`, in this order; `None` if nothing names one.
///
/// # Errors
/// If a variable is set and does not lead to nvcc: it never means some other toolkit.
pub fn find_nvcc(env: Env) -> Result<Option<PathBuf>, String> {
    if let Some(value) = env("NVCC") {
        let path = PathBuf::from(&value);
        let path = match path.components().count() {
            1 => on_path(env, &value).unwrap_or(path),
            _ => path,
        };
        return match path.is_file() {
            true => Ok(Some(path)),
            false => Err(format!(
                "expected NVCC to be nvcc, found no file {}",
                path.display()
            )),
        };
    }
    for variable in ["CUDA_HOME", "CUDA_PATH"] {
        if let Some(home) = env(variable) {
            let path = Path::new(&home).join("bin").join("nvcc");
            return match path.is_file() {
                true => Ok(Some(path)),
                false => Err(format!(
                    "expected {variable} to be a CUDA toolkit, found no file {}",
                    path.display()
                )),
            };
        }
    }
    Ok(on_path(env, OsStr::new("nvcc")))
}

/// The file `name` in the first directory of `PATH` that has one.
pub fn on_path(env: Env, name: &OsStr) -> Option<PathBuf> {
    env::split_paths(&env("PATH")?)
        .map(|directory| directory.join(name))
        .find(|path| path.is_file())
}

/// Reads what `nvcc --version` prints.
pub fn nvcc_version(text: &str) -> Result<NvccVersion, String> {
    let word_after = |marker: &str| {
        let (_, rest) = text.split_once(marker)?;
        rest.split_whitespace().next().map(str::to_owned)
    };
    match (word_after(", V"), word_after("Build ")) {
        (Some(version), Some(release)) => Ok(NvccVersion { version, release }),
        _ => Err(format!(
            "expected nvcc --version to state version and build, found {text:?}"
        )),
    }
}

/// What `program` prints.
pub fn output<const N: usize>(program: &Path, arguments: [&str; N]) -> Result<String, String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|e| format!("cannot run {}: {e}", program.display()))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!(
            "{} {} failed: {}",
            program.display(),
            arguments.join(" "),
            output.status
        )),
    }
}

/// The first line of `text`, trimmed.
pub fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().to_owned()
}
