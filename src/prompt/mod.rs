//! Prompts chosen by seed: token ids of generated text, of a corpus, or drawn as they are. Knows no engine.

mod arithmetic;
mod choose;
mod code;
mod corpus;
mod draws;
mod english;
mod error;
mod grammar;
mod languages;
mod table;
#[cfg(test)]
mod tests;
mod text;

pub use choose::{Prompt, Source};
pub use corpus::Corpus;
pub use error::PromptError;
