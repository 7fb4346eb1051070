//! Level 3: the commit of a result is built again, by stand-ins for Nix and nvcc, and by a real nvcc where there is one.

#[path = "build/fatbin.rs"]
#[allow(dead_code, reason = "the tests of the build script use the rest")]
mod fatbin;
#[path = "rebuild/lab.rs"]
mod lab;
#[path = "rebuild/nix.rs"]
mod nix;
#[path = "rebuild/nvcc.rs"]
mod nvcc;
mod program;
