//! Compiles `kernels/` to one image per family and embeds them, with a record of what the binaries are made from.
//!
//! | variable | meaning |
//! |---|---|
//! | `SPARKBENCH_CUDA` | `auto` (kernels if there is an nvcc), `require` or `off` |
//! | `NVCC`, `CUDA_HOME`, `CUDA_PATH`, `PATH` | where nvcc is, in this order |
//! | `SPARKBENCH_KERNELS_DIR` | embed the images in this directory, as `nix/kernel-builder` writes them, for all or some architectures |
//! | `SPARKBENCH_PROVENANCE` | a file that says which commit this is, in place of git |

#[path = "build/mod.rs"]
mod build;

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use build::manifest::ImageManifest;
use build::record::{Build, Provenance, RustBuild};
use build::toolchain::{self, Mode, Toolchain};
use build::{compile, prebuilt, recipe::Recipe, sources, stamp};

type Images = BTreeMap<String, ImageManifest>;

fn main() {
    // An error so printed fails the build by itself; with an exit code Cargo would print all other lines too.
    if let Err(error) = run() {
        for line in error.lines() {
            println!("cargo::error={line}");
        }
    }
}

fn run() -> Result<(), String> {
    println!("cargo::rustc-cfg=json_schema");
    let root = PathBuf::from(required("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(required("OUT_DIR")?);
    for path in stamp::watched(&root) {
        println!("cargo::rerun-if-changed={}", path.display());
    }

    let (images, images_reason) = match kernel_images(&root, &out.join("kernels"))? {
        Ok(images) => (images, None),
        Err(reason) => (Images::new(), Some(reason)),
    };
    let record = Build {
        version: required("CARGO_PKG_VERSION")?,
        source_sha256: sources::source_digest(&root)?,
        rust: rust_build()?,
        images,
        images_reason,
        provenance: provenance(&root)?,
    };
    let json = serde_json::to_string_pretty(&record).map_err(|e| e.to_string())?;
    write(&out.join("build.json"), &json)?;
    write(&out.join("images.rs"), &embedding(record.images.keys()))
}

/// The images of all families, or why there are none.
fn kernel_images(root: &Path, out: &Path) -> Result<Result<Images, String>, String> {
    let recipe = Recipe::read(root)?;
    let mode = Mode::from_env(&variable)?;
    if let Some(directory) = variable("SPARKBENCH_KERNELS_DIR") {
        if mode == Mode::Off {
            return Err("SPARKBENCH_KERNELS_DIR is set, but SPARKBENCH_CUDA is off".to_owned());
        }
        let directory = PathBuf::from(directory);
        println!("cargo::rerun-if-changed={}", directory.display());
        let take = |family: &String| {
            let manifest = prebuilt::take_image(root, &recipe, family, &directory, out)?;
            Ok((family.clone(), manifest))
        };
        return recipe
            .families
            .keys()
            .map(take)
            .collect::<Result<_, _>>()
            .map(Ok);
    }
    if mode == Mode::Off {
        return Ok(Err("built with SPARKBENCH_CUDA=off".to_owned()));
    }
    toolchain::refuse_hidden_flags(&variable)?;
    let Some(nvcc) = toolchain::find_nvcc(&variable)? else {
        let missing = "no nvcc (NVCC, CUDA_HOME, CUDA_PATH, PATH)";
        if mode == Mode::Require {
            return Err(format!("{missing}, but SPARKBENCH_CUDA is require"));
        }
        println!(
            "cargo::warning={missing}: building without GPU kernels; scripts/nvcc installs one"
        );
        return Ok(Err(format!("built without nvcc: {missing}")));
    };
    let toolchain = Toolchain::new(nvcc, host_compiler()?)?;
    compile::build_images(root, &recipe, &toolchain, out).map(Ok)
}

/// The C++ compiler for the target, as `cc` finds it (`CXX`, cross prefixes). Only its path counts: `cc`'s flags are
/// for host objects, and a Cargo profile must not reach device code.
fn host_compiler() -> Result<PathBuf, String> {
    cc::Build::new()
        .cpp(true)
        .no_default_flags(true)
        .try_get_compiler()
        .map(|tool| tool.path().to_owned())
        .map_err(|e| format!("no host compiler for nvcc: {e}"))
}

fn rust_build() -> Result<RustBuild, String> {
    let rustc = PathBuf::from(required("RUSTC")?);
    let rustflags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    Ok(RustBuild {
        rustc: toolchain::first_line(&toolchain::output(&rustc, ["-V"])?),
        target: required("TARGET")?,
        profile: required("PROFILE")?,
        opt_level: required("OPT_LEVEL")?,
        rustflags: rustflags
            .split('\x1f')
            .filter(|flag| !flag.is_empty())
            .map(str::to_owned)
            .collect(),
    })
}

fn provenance(root: &Path) -> Result<Provenance, String> {
    let Some(path) = variable("SPARKBENCH_PROVENANCE") else {
        return Ok(stamp::provenance(root));
    };
    let path = PathBuf::from(path);
    println!("cargo::rerun-if-changed={}", path.display());
    let text = fs::read_to_string(&path)
        .map_err(|e| format!("SPARKBENCH_PROVENANCE: cannot read {}: {e}", path.display()))?;
    Provenance::from_json(&text)
        .map_err(|e| format!("SPARKBENCH_PROVENANCE: {}: {e}", path.display()))
}

/// The Rust code that embeds the images; `src/build_info/embedded.rs` includes it.
fn embedding<'a>(families: impl Iterator<Item = &'a String>) -> String {
    let entries: String = families
        .map(|family| {
            format!("    ({family:?}, &Aligned(*include_bytes!(concat!(env!(\"OUT_DIR\"), \"/kernels/{family}.fatbin\")))),\n")
        })
        .collect();
    format!("static IMAGES: &[(&str, &Aligned<[u8]>)] = &[\n{entries}];\n")
}

/// A variable that decides this build; Cargo runs the script again when it changes. Empty counts as unset.
fn variable(name: &str) -> Option<OsString> {
    println!("cargo::rerun-if-env-changed={name}");
    env::var_os(name).filter(|value| !value.is_empty())
}

/// A variable that Cargo sets.
fn required(name: &str) -> Result<String, String> {
    env::var(name).map_err(|e| format!("{name}: {e}"))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))
}
