//! `sparkbench completions`: a shell's completion script.

use clap::CommandFactory;

use super::args::Cli;
use super::error::CliError;
use super::exit::Exit;
use super::output::show;

/// Prints the script for `shell`.
pub fn print(shell: clap_complete::Shell) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "sparkbench", &mut script);
    show(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
