//! `spark-engine serve`: a session of the protocol on standard input and output.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use sparkbench::{build_info, engine};

use super::error::CommandError;

pub fn serve() -> Result<(), CommandError> {
    // Not `io::stdout()`, which would split frames at line feeds.
    let output = io::stdout().as_fd().try_clone_to_owned();
    let mut output = File::from(output.map_err(CommandError::Print)?);
    let name = format!("spark-engine {}", build_info::version_line());
    let mut input = io::stdin().lock();
    engine::serve(&mut input, &mut output, &name, &mut engine::open)?;
    Ok(())
}
