//! Decides whether a result file may be believed, from its bytes alone or with a git checkout; measures nothing.

mod cases;
mod checkout;
mod checks;
mod context;
mod derived;
mod file;
mod generation;
mod git;
mod machine;
mod outcome;
mod physics;
mod provenance;
mod report;
mod session;
mod telemetry;
#[cfg(test)]
mod tests;
mod timing;
mod weights;

pub use checks::{CHECKS, Check};
pub use outcome::Status;
pub use report::{CheckOutcome, Options, Report, result_files, verify, verify_file};
