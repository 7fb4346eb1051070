//! Compiles the kernel images by the build script's own code, apart from the binaries that embed them.
//!
//! `sparkbench-kernels ROOT OUT [ARCHITECTURE]...` writes `<family>.fatbin` and `<family>.json` of every family in
//! `ROOT/kernels/build.json` to `OUT`, with code for the named architectures (`sm_90`), or for all of that file. nvcc is
//! found as the build script finds it; the host compiler is `CXX`, or `c++`.

#[path = "../../build/mod.rs"]
#[allow(dead_code, reason = "`build.rs` uses the rest")]
mod build;

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use build::compile::build_images;
use build::recipe::Recipe;
use build::toolchain::{Toolchain, find_nvcc, refuse_hidden_flags};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [root, out, architectures @ ..] = &arguments[..] else {
        return Err(
            "expected arguments ROOT OUT [ARCHITECTURE]..., found fewer than two".to_owned(),
        );
    };
    let root = Path::new(root);
    let mut recipe = Recipe::read(root)?;
    if !architectures.is_empty() {
        let known = recipe.architecture_names();
        if let Some(unknown) = architectures.iter().find(|name| !known.contains(name)) {
            return Err(format!("expected one of {known:?}, found {unknown:?}"));
        }
        recipe
            .architectures
            .retain(|number| architectures.contains(&format!("sm_{number}")));
    }
    refuse_hidden_flags(&variable)?;
    let nvcc = find_nvcc(&variable)?.ok_or("no nvcc (NVCC, CUDA_HOME, CUDA_PATH, PATH)")?;
    let host_compiler = variable("CXX").map_or_else(|| PathBuf::from("c++"), PathBuf::from);
    let toolchain = Toolchain::new(nvcc, host_compiler)?;
    build_images(root, &recipe, &toolchain, Path::new(out)).map(|_| ())
}

fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}
