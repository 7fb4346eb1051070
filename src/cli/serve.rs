//! `serve`: a session of the engine protocol on standard input and output, for both programs.

use std::io;
use std::path::Path;

use crate::build_info;
use crate::engine::{self, Options, ServeError};
use crate::protocol::ErrorCode;
use crate::ui::terminal;

use super::args::ServeArgs;
use super::error::CliError;
use super::exit::Exit;

/// Answers a harness until it says stop, as `spark-engine serve` and as `sparkbench serve`, which stands in where Cargo
/// has built the one program and not the other.
///
/// # Errors
///
/// The first failure ends the session; the harness has been told.
pub fn serve(args: &ServeArgs) -> Result<(), ServeError> {
    let mut output = terminal::unbuffered_output().map_err(ServeError::Output)?;
    let name = format!("spark-engine {}", build_info::version_line());
    let mut input = io::stdin().lock();
    let mut open = |device, path: &Path, options| {
        let options = Options {
            memory_limit: args.memory_limit,
            ..options
        };
        engine::open(device, path, options)
    };
    engine::serve(&mut input, &mut output, &name, &mut open)
}

/// `sparkbench serve`.
pub(super) fn stand_in(args: &ServeArgs) -> Result<Exit, CliError> {
    match serve(args) {
        // Whoever reads the output may stop early.
        Err(ServeError::Output(cause)) if cause.kind() == io::ErrorKind::BrokenPipe => {
            Ok(Exit::Done)
        }
        served => served.map(|()| Exit::Done).map_err(CliError::from),
    }
}

impl From<ServeError> for CliError {
    fn from(error: ServeError) -> Self {
        let exit = match error.code() {
            ErrorCode::Unexpected => Exit::Unexpected,
            ErrorCode::Request => Exit::Usage,
            ErrorCode::Device => Exit::Device,
            ErrorCode::Memory => Exit::Output,
        };
        Self {
            exit,
            message: error.to_string(),
            hint: error.hint(),
        }
    }
}
