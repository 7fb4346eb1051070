//! The commands: each resolves its arguments, calls the library, and hands what came back to `ui`.

pub mod args;
pub mod exit;
