//! A file mapped read-only into memory. Knows nothing of its contents.

#![expect(unsafe_code, reason = "a mapping is only as constant as its file")]

use std::fs::File;
use std::io;
use std::path::Path;

use memmap2::Mmap;

/// The bytes of a file, read as they are touched.
///
/// While it lives, nobody may write to the file or truncate it: a touched page beyond the new end kills the process
/// (`SIGBUS`).
#[derive(Debug)]
pub struct Map(Mmap);

impl Map {
    /// Maps all of `path`. Directories, pipes and devices are refused: they have no fixed length.
    pub fn open(path: &Path) -> io::Result<Self> {
        // Asked before opening, which would wait for a writer if this were a pipe.
        if !std::fs::metadata(path)?.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a regular file",
            ));
        }
        let file = File::open(path)?;
        // SAFETY: the mapping is private and read-only, and the type asks that nobody change the file while it lives.
        // No program can check that of another; a weights file is written once, and its digest is taken through this
        // same mapping.
        let map = unsafe { Mmap::map(&file)? };
        Ok(Map(map))
    }
}

impl AsRef<[u8]> for Map {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
