//! What can be wrong with a model: its name, its metadata, its tensor table.

use thiserror::Error;

use crate::gguf::GgufError;

/// Why a model is not one that the suite knows.
#[derive(Debug, Error)]
pub enum ModelError {
    /// A key is missing or has the wrong type.
    #[error(transparent)]
    Metadata(#[from] GgufError),
    /// A hyper-parameter lies outside what any such model has.
    #[error("expected {key} between 1 and {limit}, found {found}")]
    OutOfRange {
        /// Metadata key.
        key: String,
        /// Its value.
        found: u64,
        /// Largest value taken.
        limit: u64,
    },
    /// A hyper-parameter contradicts the others.
    #[error("expected {key} to be {expected}, found {found}")]
    Inconsistent {
        /// Metadata key.
        key: String,
        /// What the other hyper-parameters require.
        expected: String,
        /// What the file states.
        found: String,
    },
    /// The file is of another architecture.
    #[error("expected architecture qwen35moe or gemma4, found {found}")]
    Architecture {
        /// `general.architecture` of the file.
        found: String,
    },
    /// A tensor that the architecture needs is not there.
    #[error("expected a tensor {name}, found none of that name")]
    MissingTensor {
        /// Tensor name.
        name: String,
    },
    /// A tensor has other dimensions than the hyper-parameters require.
    #[error("expected tensor {name} of dimensions {expected:?}, found {found:?}")]
    TensorShape {
        /// Tensor name.
        name: String,
        /// Dimensions that the hyper-parameters require, fastest first.
        expected: Vec<u64>,
        /// Dimensions in the file.
        found: Vec<u64>,
    },
    /// No model of this name.
    #[error("expected a model name ({known}), found {found}")]
    UnknownModel {
        /// The name asked for.
        found: String,
        /// Names that exist.
        known: String,
    },
    /// No such mix for this model.
    #[error("expected a mix of {model} ({known}), found {found}")]
    UnknownMix {
        /// The model.
        model: &'static str,
        /// The mix asked for.
        found: String,
        /// Mixes that exist for the model.
        known: String,
    },
}

impl ModelError {
    /// The next step, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            ModelError::Metadata(error) => error.hint(),
            ModelError::Architecture { .. } => Some(
                "`sparkbench inspect` lists any GGUF file, but only these two can be run".to_owned(),
            ),
            ModelError::MissingTensor { .. } | ModelError::TensorShape { .. } => Some(
                "compare the file with its pinned SHA-256; a file of another model or of a part of one looks like this"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}
