//! Builds the emulated GPU and the program of its kernels' tests, once for all tests of this version of the sources.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Instant;
use std::{env, fs, thread};

use sparkbench::build_info::sha256_hex;
use sparkbench::{build_info, device::library};

/// What is built.
pub struct Built {
    /// Where `libcuda.so.1` lies, alone but for what else is here.
    pub directory: PathBuf,
    /// The kernels' tests.
    pub kernels_test: PathBuf,
}

/// Flags of every C++ file. The GPU's own pragmas, and what a test leaves unused of a kernel's file, are no faults.
const FLAGS: &[&str] = &[
    "-std=c++17",
    "-O2",
    "-fPIC",
    "-fvisibility=hidden",
    "-Wall",
    "-Wextra",
    "-Wno-unknown-pragmas",
    "-Wno-unused-function",
];

/// Why nothing can be tested here, on one line; nothing where it can.
pub fn obstacle() -> Option<String> {
    let real = library::candidates("libcuda.so.1");
    if let Some(path) = real.iter().find(|path| path.is_absolute()) {
        return Some(format!("this machine has a driver, {}", path.display()));
    }
    if !build_info::images().is_ok_and(|images| images.iter().any(|image| image.family == "decode"))
    {
        return Some("this program has no kernel images".into());
    }
    if !cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
        return Some("the emulation knows the stacks of x86-64 and aarch64 only".into());
    }
    let version = Command::new(compiler())
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    (!version.is_ok_and(|status| status.success()))
        .then(|| format!("there is no C++ compiler {}", compiler()))
}

fn compiler() -> String {
    env::var("CXX").unwrap_or_else(|_| "c++".into())
}

/// The emulated GPU; none, with a printed line, where it cannot be.
pub fn built() -> Option<Built> {
    if let Some(reason) = obstacle() {
        println!("skipped: {reason}");
        return None;
    }
    // One test of this process builds, the others wait for it.
    static BUILDING: Mutex<()> = Mutex::new(());
    let _guard = BUILDING.lock();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = root.join("tests/emulator");
    let kernels = ["kernels/decode", "kernels/prefill"].map(|folder| root.join(folder));
    let [decode, prefill] = kernels;
    let digest = digest_of(&[own.clone(), decode, prefill]);
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let directory = parent.join(format!("emulator-{}", &digest[..16]));
    let built = Built {
        kernels_test: directory.join("kernels_test"),
        directory,
    };
    if built.directory.exists() {
        return Some(built);
    }
    let begin = Instant::now();
    // Another process may build the same: each moves a whole directory into place, or finds it there.
    let work = tempfile::tempdir_in(parent).unwrap();
    let units = [sources(&own), sources(&own.join("units"))].concat();
    let library = work.path().join("libcuda.so.1");
    let soname = ["-shared", "-Wl,-soname,libcuda.so.1"];
    link(&objects(&units, work.path()), &soname, &[], &library);
    let tests = objects(&sources(&own.join("kernels_test")), work.path());
    link(&tests, &[], &[&library], &work.path().join("kernels_test"));
    if fs::rename(work.path(), &built.directory).is_err() {
        assert!(built.directory.exists());
    }
    println!("built in {:.1} s", begin.elapsed().as_secs_f64());
    Some(built)
}

/// The C++ files of a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = all_files(folder);
    files.retain(|path| {
        path.parent() == Some(folder) && path.extension().is_some_and(|e| e == "cpp")
    });
    files
}

fn all_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let inside = |path: PathBuf| match path.is_dir() {
        true => all_files(&path),
        false => vec![path],
    };
    paths.into_iter().flat_map(inside).collect()
}

/// Of all files' names and contents, and of what is done with them.
fn digest_of(folders: &[PathBuf]) -> String {
    let mut text = compiler() + &FLAGS.concat();
    for path in folders.iter().flat_map(|folder| all_files(folder)) {
        let digest = sha256_hex(&fs::read(&path).unwrap());
        text += &format!("\n{} {digest}", path.display());
    }
    sha256_hex(text.as_bytes())
}

/// Compiles `sources`, as many at once as there are processors.
fn objects(sources: &[PathBuf], to: &Path) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let object = |source: &PathBuf| {
        let name = source.file_name().unwrap().to_str().unwrap();
        to.join(format!("{name}.o"))
    };
    let queue = Mutex::new(sources.iter());
    let compile = || {
        while let Some(source) = next(&queue) {
            let mut command = Command::new(compiler());
            command.args(FLAGS).arg("-I");
            command.arg(root.join("tests/emulator/include")).arg("-I");
            command.arg(root.join("kernels")).arg("-c").arg(source);
            run(command.arg("-o").arg(object(source)));
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(compile);
        }
    });
    sources.iter().map(object).collect()
}

fn next<'a>(queue: &Mutex<std::slice::Iter<'a, PathBuf>>) -> Option<&'a PathBuf> {
    queue.lock().unwrap().next()
}

fn link(objects: &[PathBuf], flags: &[&str], libraries: &[&Path], to: &Path) {
    let mut command = Command::new(compiler());
    run(command
        .args(flags)
        .args(objects)
        .args(libraries)
        .arg("-o")
        .arg(to));
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{said}");
    // Another compiler may warn of more.
    print!("{said}");
}
