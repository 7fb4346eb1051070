//! The build script: what it accepts, what it refuses, when it runs nvcc, and what it says of the sources.

#[path = "../build/mod.rs"]
#[allow(dead_code, reason = "`build.rs` uses the rest")]
mod build;
#[path = "build/code.rs"]
mod code;
#[path = "build/fatbin.rs"]
mod fatbin;
#[path = "build/images.rs"]
mod images;
#[path = "build/machine_code.rs"]
mod machine_code;
#[path = "build/nvcc.rs"]
mod nvcc;
#[path = "build/stamp.rs"]
mod stamp;
#[path = "build/toolchain.rs"]
mod toolchain;
