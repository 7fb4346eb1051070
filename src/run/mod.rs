//! Runs a plan and fills the record. Knows no terminal and no command line.

mod case;
mod device;
mod error;
mod facts;
mod observer;
mod request;
mod rules;
mod session;

pub use error::RunError;
pub use observer::Observer;
pub use request::{DeviceChoice, Request};
pub use session::{plan, run};
