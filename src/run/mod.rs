//! Runs a plan and fills the record. Knows no terminal and no command line.

mod observer;

pub use observer::Observer;
