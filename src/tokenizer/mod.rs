//! Text to token ids and back, by the tokenizer that a model file describes. Knows no chat template.

mod bpe;
mod error;
mod split;
#[cfg(test)]
pub(crate) mod tests;
mod tokenizer;
mod vocabulary;

pub use error::TokenizerError;
pub use tokenizer::Tokenizer;
pub use vocabulary::Vocabulary;
