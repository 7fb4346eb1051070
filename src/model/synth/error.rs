//! What can go wrong while a synthetic file is made.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::gguf::GgufError;
use crate::model::Mix;
use crate::quant::TensorType;
use crate::units::Bytes;

/// Why no synthetic file was written. Nothing is left behind.
#[derive(Debug, Error)]
pub enum SynthError {
    /// The mix is of another model's files.
    #[error("expected a mix of {model} ({known}), found {mix}")]
    Mix {
        /// The model.
        model: &'static str,
        /// Its mixes.
        known: String,
        /// The one asked for.
        mix: Mix,
    },
    /// The generator does not make this type.
    #[error("tensor {tensor} has type {ty}, for which there are no synthetic values")]
    Type {
        /// Tensor name.
        tensor: String,
        /// Its type.
        ty: TensorType,
    },
    /// The header cannot be laid out.
    #[error(transparent)]
    Header(#[from] GgufError),
    /// Something has that name already.
    #[error("{} exists already, and no file is ever overwritten", path.display())]
    Exists {
        /// The file to be written.
        path: PathBuf,
    },
    /// The file system has no room.
    #[error("no room for {} ({}) on its file system", path.display(), Bytes(*bytes))]
    Full {
        /// The file to be written.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// The file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file to be written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The caller asked to stop.
    #[error("interrupted before {} was complete; nothing is left of it", path.display())]
    Interrupted {
        /// The file to be written.
        path: PathBuf,
    },
}

impl SynthError {
    /// The next step, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            SynthError::Header(error) => error.hint(),
            SynthError::Exists { .. } => {
                Some("choose another name, or remove the file first".to_owned())
            }
            SynthError::Full { bytes, .. } => Some(format!(
                "free {bytes} bytes there, or choose another file system"
            )),
            SynthError::Write { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => Some("create the folder first".to_owned()),
                io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                    Some("choose a folder that you may write to".to_owned())
                }
                _ => None,
            },
            _ => None,
        }
    }
}
