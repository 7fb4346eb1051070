//! What can be wrong with a file's tokenizer, or with ids that are to become text.

use crate::gguf::GgufError;

/// Why there is no tokenizer, or no text.
#[derive(Debug, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "each message says what the variant and its fields are"
)]
pub enum TokenizerError {
    #[error(transparent)]
    Metadata(#[from] GgufError),
    #[error(
        "expected tokenizer.ggml.model gpt2 with tokenizer.ggml.pre qwen35, or model gemma4, found {found}"
    )]
    UnknownTokenizer { found: String },
    #[error("expected {tokens} entries in tokenizer.ggml.token_type, one per token, found {found}")]
    TypeCount { tokens: usize, found: usize },
    #[error("expected a type from 1 to 6 for token {id}, found {found}")]
    UnknownType { id: u32, found: i64 },
    #[error("expected at most {most} tokens, found {found}")]
    TooManyTokens { most: u32, found: usize },
    #[error("expected {key} below {tokens}, the number of tokens, found {found}")]
    SpecialOutOfRange {
        key: &'static str,
        tokens: usize,
        found: u32,
    },
    #[error("expected a token for every byte, found none for 0x{byte:02x} (`{token}`)")]
    NoByteToken { byte: u8, token: String },
    #[error("expected merge {index} to join two tokens into a third, found {merge:?}")]
    BadMerge { index: usize, merge: String },
    #[error("expected token ids below {tokens}, found {id} at position {position}")]
    IdOutOfRange {
        tokens: usize,
        position: usize,
        id: u32,
    },
}

impl TokenizerError {
    /// What to do next, where something can be done.
    pub fn hint(&self) -> Option<String> {
        match self {
            TokenizerError::Metadata(error) => error.hint(),
            TokenizerError::UnknownTokenizer { .. } | TokenizerError::BadMerge { .. } => {
                Some("convert the model again with a current converter".to_owned())
            }
            _ => None,
        }
    }
}
