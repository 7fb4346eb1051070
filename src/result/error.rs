//! What can be wrong with a result file, and with writing one.

use std::io;
use std::path::PathBuf;

use super::Fault;

/// Why a file is not a result.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file system refused.
    #[error("cannot read {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// More bytes than a result may have.
    #[error("expected at most {limit_bytes} bytes, found more")]
    TooLarge {
        /// The most.
        limit_bytes: u64,
    },
    /// Not UTF-8.
    #[error("expected UTF-8 text, found other bytes at offset {offset}")]
    NotText {
        /// The first bad byte.
        offset: usize,
    },
    /// Another format, or another version of this one.
    #[error("expected format `{expected}`, found `{found}`", expected = super::FORMAT)]
    Format {
        /// What the file says.
        found: String,
    },
    /// No JSON, or JSON of another shape.
    #[error("expected a result, found something else: {0}")]
    Json(serde_json::Error),
}

impl ReadError {
    /// The next step, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Format { found } if is_newer(found) => Some(
                "the file was made by a newer sparkbench; use that one or a newer one".to_owned(),
            ),
            Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some("results lie in `results/` unless `run --out` said otherwise".to_owned())
            }
            _ => None,
        }
    }
}

/// Whether a format is this one in a later version.
fn is_newer(format: &str) -> bool {
    let version = |text: &str| -> Option<u64> { text.rsplit_once('/')?.1.parse().ok() };
    let name = |text: &str| text.rsplit_once('/').map(|(name, _)| name.to_owned());
    name(format) == name(super::FORMAT) && version(format) > version(super::FORMAT)
}

/// Why a payload cannot become a result file. Each is a defect of the program.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// It has no JSON.
    #[error("the record has no JSON: {0}")]
    Serialise(serde_json::Error),
    /// Its JSON is no result, for example because a float is not finite.
    #[error("the record does not read back: {0}")]
    ReadBack(ReadError),
    /// It breaks a rule of the format.
    #[error("the record breaks a rule of its format: {0}")]
    Fault(Fault),
    /// Its JSON means something else.
    #[error("the record reads back as another one")]
    Changed,
}

/// Why a result could not be written. Its text is still in the caller's hands.
#[derive(Debug, thiserror::Error)]
#[error("cannot write a result into {directory}: {source}", directory = directory.display())]
pub struct WriteError {
    /// Where it was to go.
    pub directory: PathBuf,
    /// The reason.
    pub source: io::Error,
}

impl WriteError {
    /// The next step.
    pub fn hint(&self) -> Option<String> {
        let step = match self.source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space, or name",
            _ => "name",
        };
        Some(format!("{step} a directory that can be written with --out"))
    }
}
