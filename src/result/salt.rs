//! The rig's salt: random bytes, kept on the rig alone, that make redacted identities equal on it and meaningless elsewhere.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::Warning;

/// 32 random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub [u8; 32]);

/// Why there is no salt.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random bytes: {0}")]
pub struct SaltError(getrandom::Error);

impl Salt {
    /// The salt kept in the user's data directory, made on first use. If it can be neither read nor kept, one for this
    /// session alone, and the warning that says so.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn of_this_rig() -> Result<(Self, Option<Warning>), SaltError> {
        Self::kept_in(data_directory().as_deref())
    }

    fn kept_in(directory: Option<&Path>) -> Result<(Self, Option<Warning>), SaltError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(SaltError)?;
        let fresh = Self(bytes);
        let kept = match directory {
            Some(directory) => read_or_keep(directory, fresh).map_err(|error| error.to_string()),
            None => Err("neither XDG_DATA_HOME nor HOME is set".to_owned()),
        };
        Ok(match kept {
            Ok(salt) => (salt, None),
            Err(cause) => (
                fresh,
                Some(Warning {
                    code: "salt_not_kept".to_owned(),
                    message: format!("the salt of redacted identities cannot be kept: {cause}"),
                    hint: "results of this rig cannot be recognised as such; make XDG_DATA_HOME writable"
                        .to_owned(),
                }),
            ),
        })
    }
}

/// `$XDG_DATA_HOME/sparkbench`, by default `~/.local/share/sparkbench`.
fn data_directory() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let base = set("XDG_DATA_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| Some(PathBuf::from(set("HOME")?).join(".local/share")))?;
    Some(base.join("sparkbench"))
}

fn read_or_keep(directory: &Path, fresh: Salt) -> io::Result<Salt> {
    let path = directory.join("rig-salt");
    fs::create_dir_all(directory)?;
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path);
    match created {
        Ok(mut file) => {
            file.write_all(&fresh.0)?;
            file.sync_all()?;
            Ok(fresh)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read_salt(&path),
        Err(error) => Err(error),
    }
}

fn read_salt(path: &Path) -> io::Result<Salt> {
    let mut bytes = Vec::new();
    File::open(path)?.take(33).read_to_end(&mut bytes)?;
    <[u8; 32]>::try_from(bytes).map(Salt).map_err(|bytes| {
        io::Error::other(format!(
            "expected 32 bytes in {}, found {}",
            path.display(),
            bytes.len()
        ))
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_rig_keeps_its_salt_to_itself() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("share/sparkbench");
        let (first, warning) = Salt::kept_in(Some(&directory)).unwrap();
        assert_eq!(warning, None);
        assert_eq!(Salt::kept_in(Some(&directory)).unwrap(), (first, None));
        let mode = fs::metadata(directory.join("rig-salt"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let (other, _) = Salt::kept_in(Some(&home.path().join("elsewhere"))).unwrap();
        assert_ne!(other, first);
    }

    #[test]
    fn a_salt_that_cannot_be_kept_serves_one_session_with_a_warning() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        fs::write(&file, "no directory").unwrap();
        let (first, warning) = Salt::kept_in(Some(&file)).unwrap();
        assert_eq!(warning.unwrap().code, "salt_not_kept");
        assert_ne!(Salt::kept_in(None).unwrap().0, first);
        fs::write(home.path().join("rig-salt"), "short").unwrap();
        let (_, warning) = Salt::kept_in(Some(home.path())).unwrap();
        assert!(
            warning.unwrap().message.contains("expected 32 bytes"),
            "a damaged salt is not replaced"
        );
    }
}
