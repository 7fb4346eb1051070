//! The kernels of a commit as files, for as long as they are needed.

use std::env;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::verify::Checkout;

/// A directory that goes with this value.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// `kernels/` of `commit`.
    ///
    /// # Errors
    /// Git's and the file system's, as text; and a commit without kernels.
    pub fn of_kernels(git: &Checkout, commit: &str) -> Result<Self, String> {
        let paths = git.list(commit, &["kernels"])?;
        if paths.is_empty() {
            return Err(format!("{commit} has no kernels/"));
        }
        let scratch = Self::new()?;
        for (path, content) in git.contents(commit, &paths)? {
            let path = Path::new(&path);
            // Git itself refuses such trees when it checks them out.
            let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
            if !path.components().all(plain) {
                return Err(format!("{commit} has a file {}", path.display()));
            }
            let place = scratch.0.join(path);
            let folder = place.parent().unwrap_or(&scratch.0);
            fs::create_dir_all(folder)
                .and_then(|()| fs::write(&place, content))
                .map_err(|e| format!("cannot write {}: {e}", place.display()))?;
        }
        Ok(scratch)
    }

    fn new() -> Result<Self, String> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|e| format!("no random numbers: {e}"))?;
        let name = format!("sparkbench-rebuild-{:016x}", u64::from_le_bytes(random));
        let path = env::temp_dir().join(name);
        match fs::create_dir(&path) {
            Ok(()) => Ok(Self(path)),
            Err(e) => Err(format!("cannot create {}: {e}", path.display())),
        }
    }

    /// The directory; `kernels/` lies in it.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nobody can do anything about what stays.
        let _ = fs::remove_dir_all(&self.0);
    }
}
