//! Text to token ids and back, by the tokenizer that a model file describes. Knows no chat template.

mod bpe;
mod encode;
mod error;
mod split;
#[cfg(test)]
pub(crate) mod tests;
mod vocabulary;

pub use encode::Tokenizer;
pub use error::TokenizerError;
pub use vocabulary::Vocabulary;
