//! Keeps a result: in the directory asked for, or else anywhere, because its measurements cannot be had again.

use std::env;
use std::io;
use std::path::{Path, PathBuf};

use crate::result::{self, Sealed, WriteError};

use super::error::CliError;
use super::exit::Exit;

/// Writes a result into `directory` and gives the file's path. `print`, which puts its text on stdout, is the last
/// resort.
///
/// # Errors
///
/// Exit code 8; the message says where the result is instead: in the directory for temporary files, or on stdout.
pub fn keep(
    directory: &Path,
    sealed: &Sealed,
    print: impl FnOnce() -> io::Result<()>,
) -> Result<PathBuf, CliError> {
    result::write_new(directory, sealed)
        .map_err(|error| elsewhere(&env::temp_dir(), sealed, print, &error))
}

fn elsewhere(
    directory: &Path,
    sealed: &Sealed,
    print: impl FnOnce() -> io::Result<()>,
    error: &WriteError,
) -> CliError {
    let kept = match result::write_new(directory, sealed) {
        Ok(path) => format!("the result is kept as {}", path.display()),
        Err(_) => match print() {
            Ok(()) => "the result is printed to stdout instead".to_owned(),
            Err(lost) => format!("the result is lost: stdout fails too ({lost})"),
        },
    };
    CliError {
        exit: Exit::Output,
        message: format!("{error}; {kept}"),
        hint: error.hint(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::result::{Sealed, sample, seal};

    fn sealed() -> Sealed {
        seal(&sample::cpu()).unwrap()
    }

    #[test]
    fn a_result_goes_where_it_was_asked_to_go() {
        let directory = tempfile::tempdir().unwrap();
        let path = keep(directory.path(), &sealed(), || panic!("not printed")).unwrap();
        assert_eq!(fs::read_to_string(path).unwrap(), sealed().text);
    }

    #[test]
    fn a_result_that_cannot_go_there_is_kept_elsewhere_and_the_message_says_where() {
        let (directory, fallback) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let file = directory.path().join("results");
        fs::write(&file, "in the way").unwrap();
        let refused = result::write_new(&file, &sealed()).unwrap_err();
        let error = elsewhere(
            fallback.path(),
            &sealed(),
            || panic!("not printed"),
            &refused,
        );
        assert_eq!(error.exit, Exit::Output);
        let kept = fallback.path().join(sealed().name);
        assert!(
            error.message.contains(&kept.display().to_string()),
            "{error:?}"
        );
        assert_eq!(fs::read_to_string(kept).unwrap(), sealed().text);
    }
    #[test]
    fn a_result_that_can_be_written_nowhere_is_printed_and_said_to_be_lost_if_that_fails() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("results");
        fs::write(&file, "in the way").unwrap();
        let refused = result::write_new(&file, &sealed()).unwrap_err();
        let error = elsewhere(&file, &sealed(), || Ok(()), &refused);
        assert!(error.message.ends_with("printed to stdout instead"));
        let full = || Err(io::ErrorKind::StorageFull.into());
        let error = elsewhere(&file, &sealed(), full, &refused);
        assert!(error.message.contains("the result is lost"), "{error:?}");
    }
}
