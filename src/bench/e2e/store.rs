//! Where synthetic weights are kept between sessions, so that 20 GB are made once.

use std::env;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::{Weights, WeightsError};
use crate::model::Scale;
use crate::model::synth::{self, SynthError};

/// The directories of synthetic files: those that can only be read, and the first that files can be written to.
#[derive(Debug, Clone)]
pub struct Store {
    directories: Vec<PathBuf>,
}

impl Store {
    /// The user's cache, and the directory for temporary files for when nothing can be written there.
    ///
    /// # Errors
    ///
    /// [`WeightsError::Directory`] if neither can be made.
    pub fn open() -> Result<Self, WeightsError> {
        let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let home = env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
        let places = [cache, home, Some(env::temp_dir())].into_iter().flatten();
        Self::in_one_of(places.filter(|path| path.is_absolute()))
    }

    fn in_one_of(places: impl Iterator<Item = PathBuf>) -> Result<Self, WeightsError> {
        let mut directories = Vec::new();
        let mut refused = (env::temp_dir(), io::ErrorKind::NotFound.into());
        for place in places {
            let directory = place.join("sparkbench");
            match fs::create_dir_all(&directory) {
                Ok(()) => {
                    let found = access(&directory, Access::WRITE_OK).is_ok();
                    directories.push(directory);
                    if found {
                        break;
                    }
                }
                Err(source) => refused = (directory, source),
            }
        }
        let (path, source) = refused;
        match directories.is_empty() {
            true => Err(WeightsError::Directory { path, source }),
            false => Ok(Self { directories }),
        }
    }

    /// The synthetic file of `weights`, made if it is not there. Whether one that is there is whole is for its digest to
    /// say. `progress` is told the bytes made so far and stops the work by returning `Break`.
    ///
    /// # Errors
    ///
    /// What writing the file refuses.
    pub fn file(
        &self,
        weights: &Weights,
        scale: Scale,
        progress: impl Fn(u64) -> ControlFlow<()> + Sync,
    ) -> Result<PathBuf, WeightsError> {
        let name = format!("{}.{}.gguf", weights.model.name, scale.name());
        let there =
            |path: &PathBuf| fs::metadata(path).is_ok_and(|file| file.len() == weights.file_bytes);
        let mut paths = self
            .directories
            .iter()
            .map(|directory| directory.join(&name));
        if let Some(path) = paths.find(there) {
            return Ok(path);
        }
        let path = self.writable()?.join(&name);
        // A file of another length is none that this program made.
        let _ = fs::remove_file(&path);
        match synth::write(&weights.plan(scale)?, &path, progress) {
            // Another session made it meanwhile.
            Ok(_) | Err(SynthError::Exists { .. }) => Ok(path),
            Err(error) => Err(error.into()),
        }
    }

    /// The first directory that takes files: the user's cache may be another user's, or on a disk that is read alone.
    fn writable(&self) -> Result<&Path, WeightsError> {
        let mut refused = (env::temp_dir(), io::ErrorKind::NotFound.into());
        for directory in &self.directories {
            match access(directory, Access::WRITE_OK) {
                Ok(()) => return Ok(directory),
                Err(error) => refused = (directory.clone(), error.into()),
            }
        }
        let (path, source) = refused;
        Err(WeightsError::Directory { path, source })
    }

    /// Throws a file away that turned out to be damaged.
    pub fn discard(&self, path: &Path) {
        let mut directories = self.directories.iter();
        if directories.any(|directory| path.starts_with(directory)) {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    #[test]
    fn where_the_cache_takes_no_file_another_place_does() {
        let weights = Weights::synthetic(&load::model("qwen35_35b_a3b").unwrap(), Scale::Tiny);
        let (weights, place) = (weights.unwrap(), tempfile::tempdir().unwrap());
        // Neither root nor anybody else can write there, and the directory cannot be made.
        let places = ["/proc/self", "/dev/null"].map(PathBuf::from);
        let store = Store::in_one_of(places.into_iter().chain([place.path().to_owned()]));
        let make = |_| ControlFlow::Continue(());
        let path = store.unwrap().file(&weights, Scale::Tiny, make).unwrap();
        assert!(path.starts_with(place.path()));
        // A directory that is there and takes nothing still gives what it has.
        let store = Store {
            directories: vec!["/proc/self/absent".into(), place.path().join("sparkbench")],
        };
        let again = store.file(&weights, Scale::Tiny, |_| ControlFlow::Break(()));
        assert_eq!(again.unwrap(), path);
        let store = Store {
            directories: vec!["/proc/self/absent".into()],
        };
        let error = store.file(&weights, Scale::Tiny, make).unwrap_err();
        assert!(matches!(error, WeightsError::Directory { .. }), "{error}");
    }
}
