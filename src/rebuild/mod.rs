//! Builds the commit of a result again, by Nix or by nvcc; what that says of the result is for `verify`.

mod checkout;
mod error;
mod nix;
mod nvcc;
mod plan;

pub use error::RebuildError;
pub use plan::Plan;

// The code of the build script that makes images, with the types of this crate.
#[path = "../../build/amalgam.rs"]
mod amalgam;
#[path = "../../build/compile.rs"]
mod compile;
#[path = "../../build/ptxas.rs"]
mod ptxas;
#[path = "../../build/recipe.rs"]
mod recipe;
#[path = "../../build/toolchain.rs"]
#[allow(dead_code, reason = "the build script uses the rest")]
mod toolchain;
use crate::build_info::{code_digest, digest, manifest};
