//! Runs a plan and fills the record. Knows no terminal and no command line.

mod agenda;
mod case;
mod corpus;
mod device;
mod error;
mod facts;
mod generation;
mod lanes;
mod notes;
mod observer;
mod own_engine;
mod request;
mod rules;
mod session;
mod stages;
mod timed_runs;

pub use agenda::plan;
pub use error::RunError;
pub use observer::Observer;
pub use request::{DeviceChoice, Request, WeightsChoice};
pub use session::run;
