//! Why weights cannot be used.

use std::io;
use std::path::PathBuf;

use crate::config::ConfigError;
use crate::gguf::GgufError;
use crate::model::ModelError;
use crate::model::synth::SynthError;

/// Why weights cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The file is no sound GGUF file.
    #[error(transparent)]
    File(#[from] GgufError),
    /// The file holds no model of the suite, or a part of one.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A synthetic file cannot be made.
    #[error(transparent)]
    Synthetic(#[from] SynthError),
    /// A built-in configuration cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The file is of a model that is not measured.
    #[error("expected weights of {}, found those of architecture {found} in {}", models.join(" or "), path.display())]
    OtherModel {
        /// The file.
        path: PathBuf,
        /// Models that are measured.
        models: Vec<String>,
        /// `general.architecture` of the file.
        found: String,
    },
    /// There is no pinned synthetic file of this scale.
    #[error(
        "expected a pinned synthetic file of {model} at scale {scale}, found none in its configuration"
    )]
    NoSyntheticPin {
        /// The model.
        model: String,
        /// The scale.
        scale: &'static str,
    },
    /// No directory takes synthetic files.
    #[error("cannot keep synthetic weights in {}: {source}", path.display())]
    Directory {
        /// The last one tried.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl WeightsError {
    /// The next step, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            Self::Model(error) => error.hint(),
            Self::Synthetic(error) => error.hint(),
            Self::Config(error) => error.hint(),
            Self::OtherModel { .. } => {
                Some("`sparkbench inspect` shows what a file holds; --target and --model choose the models".into())
            }
            Self::NoSyntheticPin { .. } => Some("give a file with --weights FILE".into()),
            Self::Directory { .. } => Some("set XDG_CACHE_HOME to a directory that can be written".into()),
        }
    }
}
