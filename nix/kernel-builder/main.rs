//! Compiles the kernels of a checkout to the images that `SPARKBENCH_KERNELS_DIR` takes:
//! `kernel-builder ROOT OUT [ARCHITECTURE]...`, with architectures as in `sm_120`, or all of `kernels/build.json`.
//!
//! Compilers are found as the package's build script finds them: nvcc by `NVCC`, `CUDA_HOME`, `CUDA_PATH` or `PATH`, and the
//! host's C++ compiler by `CXX`, or else as `c++`. The code is that of the build script, so both make the same images.

#[path = "../../build/mod.rs"]
#[allow(dead_code, reason = "the build script uses the rest")]
mod build;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use build::compile::build_images;
use build::recipe::Recipe;
use build::toolchain::{Toolchain, find_nvcc, refuse_hidden_flags};

fn main() -> ExitCode {
    match run(env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Vec<String>) -> Result<(), String> {
    let [root, out, architectures @ ..] = arguments.as_slice() else {
        return Err("expected ROOT OUT [ARCHITECTURE]...".to_owned());
    };
    let (root, out) = (Path::new(root), Path::new(out));
    let recipe = Recipe::read(root)?;
    let recipe = match architectures {
        [] => recipe,
        some => recipe.only(some)?,
    };
    refuse_hidden_flags(&variable)?;
    let nvcc = find_nvcc(&variable)?.ok_or("no nvcc (NVCC, CUDA_HOME, CUDA_PATH, PATH)")?;
    let host = variable("CXX").map_or(PathBuf::from("c++"), PathBuf::from);
    let images = build_images(root, &recipe, &Toolchain::new(nvcc, host)?, out)?;
    // What else the compilation leaves, a log with times above all, differs from run to run.
    for family in images.keys() {
        for extra in ["cu", "log", "key"] {
            let path = out.join(format!("{family}.{extra}"));
            fs::remove_file(&path).map_err(|e| format!("cannot remove {}: {e}", path.display()))?;
        }
    }
    Ok(())
}

fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}
