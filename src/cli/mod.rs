//! The commands: each resolves its arguments, calls the library, and hands what came back to `ui`.

pub mod args;
mod completions;
pub mod dispatch;
mod doctor;
pub mod error;
pub mod exit;
mod inspect;
pub mod interrupt;
mod keep;
mod output;
mod run;
mod schema;
pub mod serve;
mod targets;
mod usage;
mod verify;
mod weights;
