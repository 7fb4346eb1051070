//! A file mapped read-only into memory. Knows nothing of its contents.

#![expect(unsafe_code, reason = "a mapping is only as constant as its file")]

use std::fs::File;
use std::io;
use std::path::Path;

use memmap2::Mmap;

/// The bytes of a file, read as they are touched.
///
/// While it lives, nobody may truncate the file: a touched page beyond the new end kills the process (`SIGBUS`).
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
        // SAFETY: the mapping is private and read-only. A file that changes underneath would change these bytes; the
        // reader keeps no pointer or length that it found in them, only checked copies, so the worst is a wrong
        // number, which the weights' digest catches, or the SIGBUS that the type's documentation states.
        let map = unsafe { Mmap::map(&file)? };
        Ok(Map(map))
    }
}

impl AsRef<[u8]> for Map {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
