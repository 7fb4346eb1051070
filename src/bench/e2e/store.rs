//! Where synthetic weights are kept between sessions, so that 20 GB are made once.

use std::env;
use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;

use super::{Weights, WeightsError};
use crate::model::Scale;
use crate::model::synth::{self, SynthError};

/// A directory of synthetic files.
#[derive(Debug, Clone)]
pub struct Store {
    directory: PathBuf,
}

impl Store {
    /// The user's cache, or the directory for temporary files where there is none.
    ///
    /// # Errors
    ///
    /// [`WeightsError::Directory`] if neither can be made.
    pub fn open() -> Result<Self, WeightsError> {
        let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let home = env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
        let places = [cache, home, Some(env::temp_dir())];
        let mut refused = None;
        for place in places
            .into_iter()
            .flatten()
            .filter(|path| path.is_absolute())
        {
            let directory = place.join("sparkbench");
            match fs::create_dir_all(&directory) {
                Ok(()) => return Ok(Self { directory }),
                Err(source) => refused = Some((directory, source)),
            }
        }
        let (path, source) =
            refused.unwrap_or_else(|| (env::temp_dir(), std::io::ErrorKind::NotFound.into()));
        Err(WeightsError::Directory { path, source })
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
        let path = self.directory.join(name);
        let there = fs::metadata(&path).is_ok_and(|file| file.len() == weights.file_bytes);
        if there {
            return Ok(path);
        }
        // A file of another length is none that this program made.
        let _ = fs::remove_file(&path);
        match synth::write(&weights.plan(scale)?, &path, progress) {
            // Another session made it meanwhile.
            Ok(_) | Err(SynthError::Exists { .. }) => Ok(path),
            Err(error) => Err(error.into()),
        }
    }

    /// Throws a file away that turned out to be damaged.
    pub fn discard(&self, path: &std::path::Path) {
        if path.starts_with(&self.directory) {
            let _ = fs::remove_file(path);
        }
    }
}
