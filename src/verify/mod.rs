//! Decides whether a result file may be believed, from its bytes alone, with a git checkout, a rebuild or a replay; measures and builds nothing.

mod beside;
mod cases;
mod checkout;
mod checks;
mod context;
mod derived;
mod file;
mod generation;
mod git;
mod images;
mod machine;
mod outcome;
mod physics;
mod provenance;
mod rebuild;
mod replay;
mod report;
mod resources;
mod session;
mod stages;
mod telemetry;
#[cfg(test)]
mod tests;
mod timing;
mod weights;

pub use checks::{CHECKS, Check};
pub use git::Checkout;
pub use outcome::Status;
pub use rebuild::{CodeDigests, Rebuilt, RebuiltKernels, RebuiltRunner};
pub use replay::{RemadePrompt, Replayed, ReplayedExperts, ReplayedRun, ReplayedToken, Stranger};
pub use report::{CheckOutcome, Options, Report, result_files, verify, verify_file};
