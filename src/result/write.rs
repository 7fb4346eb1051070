//! Writes a result file: whole or not at all, and never over another.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::Sealed;
use super::error::WriteError;

/// Writes a result into `directory`, which is created if it is not there, and gives the path. The file appears whole or
/// not at all, and no existing file is replaced: a name that is taken gets a number.
///
/// # Errors
/// The file system's; the caller still has the text.
pub fn write_new(directory: &Path, sealed: &Sealed) -> Result<PathBuf, WriteError> {
    let failed = |source| WriteError {
        directory: directory.to_owned(),
        source,
    };
    fs::create_dir_all(directory).map_err(failed)?;
    let partial = directory.join(format!(".{}.{}.partial", sealed.name, std::process::id()));
    let written = write_and_sync(&partial, &sealed.text)
        .and_then(|()| rename_to_free_name(&partial, directory, &sealed.name));
    if written.is_err() {
        // The error in hand matters more than a leftover.
        let _ = fs::remove_file(&partial);
    }
    written.map_err(failed)
}

fn write_and_sync(path: &Path, text: &str) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).open(path)?;
    write_and_sync_to(file, text)
}

fn write_and_sync_to(mut file: File, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn rename_to_free_name(partial: &Path, directory: &Path, name: &str) -> io::Result<PathBuf> {
    let stem = name.strip_suffix(".json").unwrap_or(name);
    for number in 1..1000 {
        let path = match number {
            1 => directory.join(name),
            _ => directory.join(format!("{stem}-{number}.json")),
        };
        match rename_unless_taken(partial, &path) {
            Ok(()) => {
                File::open(directory)?.sync_all()?;
                return Ok(path);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn rename_unless_taken(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Some network file systems cannot; a hard link does not replace either.
        Err(Errno::INVAL | Errno::NOSYS) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        renamed => renamed.map_err(io::Error::from),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::{read, sample, seal};
    use super::*;

    fn sealed() -> Sealed {
        seal(&sample::cpu()).unwrap()
    }

    #[test]
    fn a_second_result_of_one_name_gets_a_number() {
        let directory = tempfile::tempdir().unwrap();
        let results = directory.path().join("new/results");
        let sealed = sealed();
        let first = write_new(&results, &sealed).unwrap();
        let second = write_new(&results, &sealed).unwrap();
        assert!(first.ends_with(&sealed.name) && second.to_string_lossy().ends_with("-2.json"));
        assert_eq!(read(&first).unwrap(), sealed.text.as_bytes());
        assert_eq!(read(&second).unwrap(), sealed.text.as_bytes());
        assert_eq!(
            fs::read_dir(&results).unwrap().count(),
            2,
            "nothing partial is left"
        );
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_one_clear_line() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let error = write_new(&file.join("results"), &sealed()).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("cannot write a result into /"),
            "{error}"
        );
        assert!(error.hint().unwrap().contains("--out"));
        let locked = directory.path().join("locked");
        fs::create_dir(&locked).unwrap();
        fs::set_permissions(&locked, fs::Permissions::from_mode(0o500)).unwrap();
        // Root writes everywhere.
        if File::create(locked.join("probe")).is_err() {
            assert!(write_new(&locked, &sealed()).is_err());
            assert_eq!(fs::read_dir(&locked).unwrap().count(), 0);
        }
    }

    // A device that is always full: what is written there ends in ENOSPC.
    #[test]
    fn a_full_disk_is_named_with_what_to_do() {
        let full = write_and_sync_to(
            OpenOptions::new().write(true).open("/dev/full").unwrap(),
            "text",
        );
        let error = WriteError {
            directory: "results".into(),
            source: full.unwrap_err(),
        };
        assert!(error.to_string().contains("No space left"), "{error}");
        assert!(error.hint().unwrap().contains("free some space"));
    }
}
