//! What a command prints to stdout.

use crate::ui::terminal;

use super::error::CliError;

/// Prints a text to stdout.
pub fn show(text: &str) -> Result<(), CliError> {
    terminal::print(text).map_err(|error| CliError::stdout(&error))
}

/// Prints a value as indented JSON to stdout.
pub fn show_json(value: &impl serde::Serialize) -> Result<(), CliError> {
    show(&serde_json::to_string_pretty(value)?)
}
