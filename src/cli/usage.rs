//! Help and wrong arguments, in the form of every other message.

use std::ffi::OsString;

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::ui::terminal;

use super::args::Cli;
use super::exit::Exit;

/// Prints what clap found, and gives the exit code.
pub fn report(error: &clap::Error, arguments: &[OsString]) -> Exit {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A stdout that nobody reads is the reader's business.
            let _ = terminal::print(&error.render().ansi().to_string());
            Exit::Done
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            terminal::explain(&error.render().ansi().to_string());
            Exit::Usage
        }
        _ => {
            terminal::error(&message(error), Some(&hint(error, arguments)));
            Exit::Usage
        }
    }
}

/// The first paragraph of clap's message on one line.
fn message(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let paragraph = text.split("\n\n").next().unwrap_or(&text);
    let words: Vec<&str> = paragraph.split_whitespace().collect();
    let line = words.join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

/// What was probably meant, or where to read on.
fn hint(error: &clap::Error, arguments: &[OsString]) -> String {
    let suggestion = [
        ContextKind::SuggestedSubcommand,
        ContextKind::SuggestedArg,
        ContextKind::SuggestedValue,
    ]
    .into_iter()
    .find_map(|kind| match error.get(kind)? {
        ContextValue::String(word) => Some(word.clone()),
        ContextValue::Strings(words) => words.first().cloned(),
        _ => None,
    });
    match suggestion {
        Some(word) => format!("did you mean `{word}`?"),
        None => format!("see `{} --help`", command(arguments)),
    }
}

/// `sparkbench run` of `run --device gpu`.
fn command(arguments: &[OsString]) -> String {
    let mut command = Cli::command();
    let mut names = vec![command.get_name().to_owned()];
    for word in arguments.iter().skip(1).filter_map(|word| word.to_str()) {
        if let Some(found) = command.find_subcommand(word) {
            names.push(word.to_owned());
            command = found.clone();
        }
    }
    names.join(" ")
}
