//! The logic of `build.rs`: kernels to images, sources to a stamp. Knows nothing of Cargo's protocol. What makes images
//! is also part of the library, which compiles them again.

pub mod amalgam;
pub mod compile;
pub mod prebuilt;
pub mod ptxas;
pub mod recipe;
pub mod sources;
pub mod stamp;
pub mod toolchain;

// Types and digests that the library uses too.
#[path = "../src/build_info/code_digest.rs"]
pub mod code_digest;
#[path = "../src/build_info/digest.rs"]
pub mod digest;
#[path = "../src/build_info/manifest.rs"]
pub mod manifest;
#[path = "../src/build_info/nix.rs"]
pub mod nix;
#[path = "../src/build_info/record.rs"]
pub mod record;
