//! Why a result cannot be replayed here.

use std::path::PathBuf;

use crate::bench::e2e::PromptsError;
use crate::engine::EngineError;
use crate::gguf::GgufError;
use crate::model::ModelError;
use crate::prompt::PromptError;

/// Why a result cannot be replayed with a file, whatever is true of the result.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The file is no sound GGUF file.
    #[error(transparent)]
    File(#[from] GgufError),
    /// The file holds no model of the suite, or a part of one.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The engine refuses the file, or has no memory for it.
    #[error(transparent)]
    Engine(EngineError),
    /// The file's tokenizer, or the corpus, cannot be used.
    #[error("cannot make prompts again: {0}")]
    Prompts(#[from] PromptsError),
    /// The result is of other models.
    #[error("expected a measured case of {architecture} in the result, which {} is of, found none", path.display())]
    NoCase {
        /// The weights file.
        path: PathBuf,
        /// `general.architecture` of the file.
        architecture: &'static str,
    },
    /// All contexts were made up by the engine.
    #[error("expected a case whose context is a prompt, found contexts that the engine made up")]
    MadeUp,
    /// Nothing would be replayed.
    #[error("expected a witness in the result, or positions of its longer cases, found neither")]
    NoPositions,
    /// No longer case chose a token there.
    #[error(
        "expected positions behind which a case longer than its witness chose a token, found {position}"
    )]
    Position {
        /// The position asked for.
        position: u64,
    },
    /// A long prompt is not in the result and can be made from its corpus alone.
    #[error("expected the corpus that the result's long prompts are windows of, found none")]
    NeedsCorpus,
}

impl ReplayError {
    /// The next step, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            Self::Model(error) => error.hint(),
            Self::Engine(error) => error.hint(),
            Self::Prompts(error) => error.hint(),
            Self::NoCase { .. } => Some(
                "the result names its models in `weights`; `sparkbench inspect` shows what a file holds"
                    .to_owned(),
            ),
            Self::MadeUp => Some(
                "nobody else has what stood in such a context; replay the witness of a session that has one".to_owned(),
            ),
            Self::NoPositions => {
                Some("name positions behind which tokens were chosen with --positions".to_owned())
            }
            Self::Position { .. } => Some(
                "a token was chosen behind the prompt's last position and each one after it; the witness is replayed in full"
                    .to_owned(),
            ),
            Self::NeedsCorpus => Some("give it with --corpus FILE".to_owned()),
        }
    }

    /// Whether it is about this result alone, so that another may be replayed with the same file.
    pub fn is_of_one_result(&self) -> bool {
        matches!(
            self,
            Self::NoCase { .. } | Self::MadeUp | Self::NoPositions | Self::Position { .. }
        )
    }

    /// Whether memory ran out.
    pub fn is_out_of_memory(&self) -> bool {
        matches!(self, Self::Engine(error) if error.is_out_of_memory())
    }
}

impl From<PromptError> for ReplayError {
    fn from(error: PromptError) -> Self {
        Self::Prompts(error.into())
    }
}
