//! `sparkbench schema`: the JSON Schema of result files.

use crate::result;

use super::dispatch::show;
use super::error::CliError;
use super::exit::Exit;

/// Prints the schema.
pub fn print() -> Result<Exit, CliError> {
    show(&result::schema())?;
    Ok(Exit::Done)
}
