//! The harness: owns the clock, the plan, the inputs, the checks, the result file and its verification.

use std::panic;
use std::process::ExitCode;

use sparkbench::cli::{dispatch, exit::Exit};
use sparkbench::ui::terminal;

fn main() -> ExitCode {
    panic::set_hook(Box::new(|found| terminal::bug(&found.to_string())));
    match panic::catch_unwind(|| dispatch::main(std::env::args_os())) {
        Ok(exit) => exit.into(),
        // The hook has said what happened.
        Err(_) => Exit::Unexpected.into(),
    }
}
