//! The system under test: serves a model to the harness, shows what becomes of a text, and hands over its kernel images.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sparkbench::build_info;
use sparkbench::cli::args::ServeArgs;
use sparkbench::cli::interrupt;

use error::CommandError;

mod error;
mod kernels;
mod layers;
mod profile;
mod score;
mod serve;
mod text;

/// The system under test of sparkbench: a MoE inference engine at batch size 1
#[derive(Parser)]
#[command(name = "spark-engine", version = build_info::version_line(), arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Answer a harness on standard input and output, frame by frame (docs/engine-protocol.md)
    Serve(ServeArgs),
    /// Write the logits behind each token of a text as a NumPy array
    Score(score::ScoreArguments),
    /// Write what each layer begins with, token by token, as a NumPy array
    Layers(layers::LayersArguments),
    /// Take a token on the GPU apart: bytes and time of each part of the model
    Profile(profile::ProfileArguments),
    /// Print the manifest of the engine's kernel images as JSON
    Kernels(kernels::KernelsArguments),
}

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    let result = interrupt::outlive_file_size_limit()
        .map_err(CommandError::Signals)
        .and_then(|()| match command {
            Command::Serve(arguments) => serve::serve(&arguments),
            Command::Score(arguments) => score::score(&arguments),
            Command::Layers(arguments) => layers::layers(&arguments),
            Command::Profile(arguments) => profile::profile(&arguments),
            Command::Kernels(arguments) => kernels::kernels(&arguments),
        });
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    if error.is_a_reader_that_stopped() {
        return ExitCode::SUCCESS;
    }
    // With standard error gone too, the exit code still tells.
    let mut stderr = io::stderr().lock();
    let _ = writeln!(stderr, "error: {error}");
    if let Some(hint) = error.hint() {
        let _ = writeln!(stderr, "hint: {hint}");
    }
    ExitCode::from(error.exit_code())
}
