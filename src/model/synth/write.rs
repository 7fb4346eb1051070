//! Writes a planned file with all cores and little memory, hashing it on the way. Knows nothing of what is in it.

use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::plan::Piece;
use super::{SynthError, SynthPlan};

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SynthReport {
    /// Length of the file.
    pub bytes: u64,
    /// SHA-256 of the file, in lower-case hexadecimal.
    pub sha256: String,
}

/// Writes the file of `plan` to `path`, which must not exist; it appears there complete or not at all.
///
/// The work is shared among the threads of the current rayon pool. `progress` is told the bytes written so far, from
/// one thread at a time, and stops the work by returning `Break`.
pub fn write(
    plan: &SynthPlan,
    path: &Path,
    progress: impl Fn(u64) -> ControlFlow<()> + Sync,
) -> Result<SynthReport, SynthError> {
    let partial = Partial::create(path, plan.file_bytes())?;
    let sha256 = write_pieces(plan, &partial, &progress)?;
    partial.finish()?;
    Ok(SynthReport {
        bytes: plan.file_bytes(),
        sha256,
    })
}

/// Makes and writes one batch of pieces in parallel while the batch before is hashed in order.
fn write_pieces(
    plan: &SynthPlan,
    partial: &Partial,
    progress: &(impl Fn(u64) -> ControlFlow<()> + Sync),
) -> Result<String, SynthError> {
    let batch_len = rayon::current_num_threads().clamp(1, 32);
    let mut pieces = plan.pieces();
    let mut hasher = Sha256::new();
    let (mut done, mut next) = (Batch::default(), Batch::default());
    loop {
        let batch: Vec<Piece> = pieces.by_ref().take(batch_len).collect();
        let (written, hashed) = rayon::join(
            || next.write(&batch, partial),
            || done.hash(&mut hasher, progress),
        );
        written?;
        if hashed.is_break() {
            return Err(SynthError::Interrupted {
                path: partial.wanted.clone(),
            });
        }
        if batch.is_empty() {
            return Ok(hasher
                .finalize()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect());
        }
        std::mem::swap(&mut done, &mut next);
    }
}

/// The bytes of consecutive pieces. Its buffers are used again and again.
#[derive(Default)]
struct Batch {
    buffers: Vec<Vec<u8>>,
    /// How many of the buffers are full.
    len: usize,
    /// Where the last of them ends in the file.
    end: u64,
}

impl Batch {
    fn write(&mut self, pieces: &[Piece], partial: &Partial) -> Result<(), SynthError> {
        self.len = pieces.len();
        self.end = pieces
            .last()
            .map_or(self.end, |last| last.offset + last.bytes);
        self.buffers
            .resize_with(self.buffers.len().max(self.len), Vec::new);
        self.buffers
            .par_iter_mut()
            .zip(pieces)
            .try_for_each(|(buffer, piece)| {
                piece.make(buffer);
                partial
                    .file
                    .write_all_at(buffer, piece.offset)
                    .map_err(|source| partial.failed(source))
            })
    }

    fn hash(
        &self,
        hasher: &mut Sha256,
        progress: impl Fn(u64) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.buffers
            .iter()
            .take(self.len)
            .for_each(|buffer| hasher.update(buffer));
        progress(self.end)
    }
}

/// A file under a temporary name beside its final one; dropped unfinished, it is removed.
struct Partial {
    file: File,
    wanted: PathBuf,
    temporary: Option<PathBuf>,
    bytes: u64,
}

impl Partial {
    fn create(wanted: &Path, bytes: u64) -> Result<Self, SynthError> {
        let exists = || SynthError::Exists {
            path: wanted.to_owned(),
        };
        if wanted.symlink_metadata().is_ok() {
            return Err(exists());
        }
        let mut name = wanted.file_name().ok_or_else(exists)?.to_owned();
        name.push(format!(".partial-{}", std::process::id()));
        let temporary = wanted.with_file_name(name);
        let file = File::options()
            .write(true)
            .create_new(true)
            .open(&temporary)
            .map_err(|source| SynthError::Write {
                path: wanted.to_owned(),
                source,
            })?;
        let partial = Partial {
            file,
            wanted: wanted.to_owned(),
            temporary: Some(temporary),
            bytes,
        };
        partial.reserve().map_err(|source| partial.failed(source))?;
        Ok(partial)
    }

    /// Takes the space at once, so that a full disk shows before the work and not after it.
    fn reserve(&self) -> io::Result<()> {
        use rustix::fs::{FallocateFlags, fallocate};
        match fallocate(&self.file, FallocateFlags::empty(), 0, self.bytes) {
            // Some file systems cannot reserve; there the writes themselves find out.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
                self.file.set_len(self.bytes)
            }
            reserved => reserved.map_err(io::Error::from),
        }
    }

    fn failed(&self, source: io::Error) -> SynthError {
        let path = self.wanted.clone();
        match source.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => SynthError::Full {
                path,
                bytes: self.bytes,
            },
            _ => SynthError::Write { path, source },
        }
    }

    /// Gives the file its name, unless something has taken it meanwhile.
    fn finish(mut self) -> Result<(), SynthError> {
        self.file.sync_all().map_err(|source| self.failed(source))?;
        let Some(temporary) = &self.temporary else {
            return Ok(());
        };
        match rename_new(temporary, &self.wanted) {
            Ok(()) => {
                self.temporary = None;
                Ok(())
            }
            Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {
                Err(SynthError::Exists {
                    path: self.wanted.clone(),
                })
            }
            Err(source) => Err(self.failed(source)),
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            let _ = fs::remove_file(temporary); // nothing better can be done with a failure here
        }
    }
}

/// Renames `from` to `to`, failing if there is a `to`.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Not every file system offers the flag; the name was free a moment ago.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => fs::rename(from, to),
        renamed => renamed.map_err(io::Error::from),
    }
}
