//! `sparkbench schema`: the JSON Schema of result files.

use crate::result;

use super::error::CliError;
use super::exit::Exit;
use super::output::show;

/// Prints the schema.
pub fn print() -> Result<Exit, CliError> {
    show(&result::schema())?;
    Ok(Exit::Done)
}
