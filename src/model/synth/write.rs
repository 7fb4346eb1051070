//! Writes a planned file with all cores and little memory, hashing it on the way. Knows nothing of what is in it.

use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::build_info::hex;

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
            return Ok(hex(&hasher.finalize()));
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

#[cfg(test)]
mod tests {
    use super::super::plan;
    use super::*;
    use crate::build_info::sha256_hex;
    use crate::gguf::Gguf;
    use crate::model::{Mix, Model, Scale};

    fn tiny(seed: u64) -> SynthPlan {
        plan(Model::Gemma4, Scale::Tiny, Mix::GgmlOrg, seed).unwrap()
    }

    fn go_on(_: u64) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn names_in(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn every_thread_count_writes_the_file_that_the_report_names() {
        let dir = tempfile::tempdir().unwrap();
        let plan = tiny(7);
        let reports = [1, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let path = dir.path().join(format!("{threads}.gguf"));
            let report = pool.install(|| write(&plan, &path, go_on)).unwrap();
            let bytes = fs::read(&path).unwrap();
            assert_eq!(
                (report.bytes, &report.sha256),
                (bytes.len() as u64, &sha256_hex(&bytes))
            );
            report
        });
        assert_eq!(reports[0], reports[1]);
        let other = write(&tiny(8), &dir.path().join("other.gguf"), go_on).unwrap();
        assert_ne!(other.sha256, reports[0].sha256);
    }

    #[test]
    fn a_written_file_opens_and_holds_the_planned_tensors() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tiny.gguf");
        let plan = tiny(1);
        write(&plan, &path, go_on).unwrap();
        let file = Gguf::open(&path).unwrap();
        assert_eq!(file.tensors(), plan.tensors().cloned().collect::<Vec<_>>());
        for name in [
            "output_norm.weight",
            "blk.3.attn_v.weight",
            "blk.11.ffn_down_exps.weight",
        ] {
            let tensor = file.tensor(name).unwrap();
            assert_eq!(Some(file.bytes(tensor)), plan.tensor_bytes(name).as_deref());
        }
    }

    #[test]
    fn progress_rises_to_the_length_of_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let seen = std::sync::Mutex::new(Vec::new());
        let report = write(&tiny(1), &dir.path().join("tiny.gguf"), |written| {
            seen.lock().unwrap().push(written);
            ControlFlow::Continue(())
        });
        let seen = seen.into_inner().unwrap();
        assert!(seen.is_sorted());
        assert_eq!(seen.last(), Some(&report.unwrap().bytes));
    }

    #[test]
    fn an_existing_file_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mine.gguf");
        fs::write(&path, "mine").unwrap();
        let error = write(&tiny(1), &path, go_on).unwrap_err();
        assert!(matches!(error, SynthError::Exists { .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        assert_eq!(names_in(dir.path()), ["mine.gguf"]);
    }

    #[test]
    fn a_file_that_appears_meanwhile_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("theirs.gguf");
        let error = write(&tiny(1), &path, |_| {
            fs::write(&path, "theirs").unwrap();
            ControlFlow::Continue(())
        });
        assert!(matches!(error.unwrap_err(), SynthError::Exists { .. }));
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
        assert_eq!(names_in(dir.path()), ["theirs.gguf"]);
    }

    #[test]
    fn an_interrupted_file_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let error = write(&tiny(1), &dir.path().join("tiny.gguf"), |_| {
            ControlFlow::Break(())
        });
        assert!(matches!(error.unwrap_err(), SynthError::Interrupted { .. }));
        assert_eq!(names_in(dir.path()), [""; 0]);
    }

    #[test]
    fn a_disk_without_room_says_so_before_the_work() {
        let dir = tempfile::tempdir().unwrap();
        let error = Partial::create(&dir.path().join("huge.gguf"), 1 << 60)
            .err()
            .unwrap();
        assert!(matches!(error, SynthError::Full { .. }), "{error}");
        assert!(error.hint().is_some());
        assert_eq!(names_in(dir.path()), [""; 0]);
    }

    #[test]
    fn a_missing_folder_is_an_error_with_a_hint() {
        let dir = tempfile::tempdir().unwrap();
        let error = write(&tiny(1), &dir.path().join("missing/tiny.gguf"), go_on).unwrap_err();
        assert_eq!(error.hint().unwrap(), "create the folder first");
    }

    #[test]
    fn a_mix_of_another_model_is_refused() {
        let error = plan(Model::Qwen35, Scale::Tiny, Mix::GgmlOrg, 1).unwrap_err();
        let expected = "expected a mix of qwen35_35b_a3b (lmstudio-feb2026, llama.cpp, unsloth), found ggml-org";
        assert_eq!(error.to_string(), expected);
    }
}
