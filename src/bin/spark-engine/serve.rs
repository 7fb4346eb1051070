//! `spark-engine serve`: a session of the protocol on standard input and output.

use super::error::CommandError;

pub fn serve() -> Result<(), CommandError> {
    sparkbench::cli::serve::serve()?;
    Ok(())
}
