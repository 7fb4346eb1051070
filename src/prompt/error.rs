//! Why there is no prompt.

use std::io;
use std::path::PathBuf;

/// Why a prompt could not be made.
#[derive(Debug, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "each message says what the variant and its fields are"
)]
pub enum PromptError {
    #[error("cannot read the corpus {}: {source}", path.display())]
    CannotRead { path: PathBuf, source: io::Error },
    #[error("expected a corpus of UTF-8 text, found another byte at offset {offset}")]
    NotUtf8 { offset: usize },
    #[error("expected a corpus of at least {wanted} tokens, found {found}")]
    TooShort { wanted: usize, found: usize },
    #[error("expected a vocabulary with ordinary tokens, found none")]
    NoOrdinaryTokens,
}

impl PromptError {
    /// What to do next, where something can be done.
    pub fn hint(&self) -> Option<String> {
        match self {
            PromptError::TooShort { .. } => {
                Some("give a longer file, or leave --corpus out for generated text".to_owned())
            }
            PromptError::NotUtf8 { .. } => Some("convert the file to UTF-8".to_owned()),
            _ => None,
        }
    }
}
