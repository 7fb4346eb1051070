//! `spark-engine serve`: a session of the protocol on standard input and output.

use sparkbench::cli::args::ServeArgs;

use super::error::CommandError;

pub fn serve(arguments: &ServeArgs) -> Result<(), CommandError> {
    sparkbench::cli::serve::serve(arguments)?;
    Ok(())
}
