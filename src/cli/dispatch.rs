//! From the command line to an exit code.

use std::ffi::OsString;

use clap::Parser;

use crate::ui::terminal::{self, Colour};

use super::args::{Cli, Color, Command, WeightsCommand};
use super::error::CliError;
use super::exit::Exit;
use super::{
    completions, doctor, inspect, interrupt, run, schema, serve, targets, usage, verify, weights,
};

/// Runs the command that `arguments` (with the program's name first) ask for, and prints why it failed if it did.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return usage::report(&error, &arguments),
    };
    terminal::set_colour(match cli.color {
        Color::Auto => Colour::Auto,
        Color::Always => Colour::Always,
        Color::Never => Colour::Never,
    });
    let ended = interrupt::outlive_file_size_limit()
        .map_err(CliError::signals)
        .and_then(|()| dispatch(cli.command, &arguments));
    match ended {
        Ok(exit) => exit,
        Err(error) => {
            terminal::error(&error.message, error.hint.as_deref());
            error.exit
        }
    }
}

fn dispatch(command: Command, arguments: &[OsString]) -> Result<Exit, CliError> {
    match command {
        Command::Run(args) => run::run(&args, recorded(arguments)),
        Command::Verify(args) => verify::verify(&args),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Schema => schema::print(),
        Command::Inspect(args) => inspect::inspect(&args),
        Command::Weights(WeightsCommand::Synth(args)) => weights::synth(&args),
        Command::Targets(args) => targets::list(&args),
        Command::Completions { shell } => completions::print(shell),
        Command::Serve(args) => serve::stand_in(&args),
    }
}

/// The command line without the program's name, as a result holds it.
fn recorded(arguments: &[OsString]) -> Vec<String> {
    let words = arguments.iter().skip(1);
    words
        .map(|word| word.to_string_lossy().into_owned())
        .collect()
}
