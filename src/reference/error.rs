//! Why the reference could not open a model or take a token.

use thiserror::Error;

use crate::model::ModelError;
use crate::quant::QuantError;

/// A file that cannot be run, or ids that do not fit the model.
#[derive(Debug, Error)]
pub enum ReferenceError {
    /// The file is not a whole model of a known architecture.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A tensor has a type that cannot be dequantised.
    #[error("tensor {tensor}: {source}")]
    Tensor {
        /// Tensor name.
        tensor: String,
        /// What is wrong with its type.
        source: QuantError,
    },
    /// A token that the model does not know.
    #[error("expected token ids below {vocabulary}, found {id}")]
    Token {
        /// The id.
        id: u32,
        /// Number of tokens in the vocabulary.
        vocabulary: u64,
    },
    /// More tokens than the context holds.
    #[error("expected at most {context} tokens in the context, found {found}")]
    Context {
        /// Most tokens that the context may hold.
        context: usize,
        /// Tokens that it would have held.
        found: usize,
    },
    /// Nothing to run.
    #[error("expected at least one token id, found none")]
    NoTokens,
}

impl ReferenceError {
    /// The next step, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            ReferenceError::Model(error) => error.hint(),
            ReferenceError::Tensor { source, .. } => source.hint(),
            ReferenceError::Token { .. } => {
                Some("use ids of this model's own tokenizer".to_owned())
            }
            ReferenceError::Context { .. } => Some("use fewer tokens".to_owned()),
            ReferenceError::NoTokens => None,
        }
    }
}
