//! What to run: every case with its work, its inputs, its reference and its tolerance.

mod case;
pub mod e2e;
pub mod memory;
mod platform;

pub use case::{Case, ExpertSets, FAMILIES, Job};
pub use platform::Platform;
