//! Runs the recorded tokens of a result through the CPU engine with a weights file; what that says of the result is for `verify`.

mod error;
mod pass;
mod sitting;
mod weights_file;

pub use error::ReplayError;
pub use sitting::{Sitting, Wanted};
pub use weights_file::WeightsFile;
