//! Whence the prompts of a weights file are: one choice, for a run and for whoever makes a prompt again.

use std::path::Path;

use crate::gguf::{Gguf, Map};
use crate::model::synth;
use crate::prompt::{Corpus, Prompt, PromptError, Source};
use crate::result::{PromptRecord, Reading};
use crate::tokenizer::{Tokenizer, TokenizerError, Vocabulary};

/// The prompts of one weights file.
#[derive(Debug)]
pub enum Prompts {
    /// Plain ids, where tokens mean nothing.
    Ids(Vec<u32>),
    /// Generated text.
    Text(Box<Tokenizer>),
    /// Windows of a corpus.
    Corpus(Box<Tokenizer>, Corpus),
}

/// Why there are no prompts.
#[derive(Debug, thiserror::Error)]
pub enum PromptsError {
    /// The file has no tokenizer that the suite knows.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The corpus cannot be read.
    #[error(transparent)]
    Prompt(#[from] PromptError),
}

impl PromptsError {
    /// The next step, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Tokenizer(error) => error.hint(),
            Self::Prompt(error) => error.hint(),
        }
    }
}

impl Prompts {
    /// Prompts for a model file: plain ids for one that is synthetic or has no tokenizer; else text, from `corpus` where
    /// there is one. `vocabulary` is the number of the model's tokens.
    ///
    /// # Errors
    ///
    /// [`PromptsError`].
    pub fn new(
        file: &Gguf<Map>,
        vocabulary: u64,
        corpus: Option<&Path>,
    ) -> Result<Self, PromptsError> {
        let metadata = file.metadata();
        if metadata.get("tokenizer.ggml.model").is_none() {
            // The file of a test, of which no id is special.
            return Ok(Self::Ids((0..vocabulary as u32).collect()));
        }
        if synth::is_synthetic(metadata) {
            return Ok(Self::Ids(Vocabulary::from_gguf(metadata)?.ordinary()));
        }
        let tokenizer = Box::new(Tokenizer::from_gguf(metadata)?);
        Ok(match corpus {
            Some(path) => Self::Corpus(tokenizer, Corpus::read(path)?),
            None => Self::Text(tokenizer),
        })
    }

    /// `tokens` ids that `seed` chooses.
    ///
    /// # Errors
    ///
    /// A corpus that is too short, a vocabulary without ordinary tokens.
    pub fn prompt(&self, seed: u64, tokens: u64) -> Result<Prompt, PromptError> {
        let tokens = usize::try_from(tokens).unwrap_or(usize::MAX);
        match self {
            Self::Ids(ordinary) => Prompt::from_plain_ids(ordinary, seed, tokens),
            Self::Text(tokenizer) => Ok(Prompt::from_text(tokenizer, seed, tokens)),
            Self::Corpus(tokenizer, corpus) => Prompt::from_corpus(tokenizer, corpus, seed, tokens),
        }
    }
}

/// Seed of the prompt of a case's timed run, from the case's seed (16 hex digits).
pub fn prompt_seed(case_seed: &str, run: u64) -> u64 {
    // `case_seed` writes nothing else than a number.
    let number = u64::from_str_radix(case_seed, 16).unwrap_or_default();
    number.wrapping_add(run)
}

/// What a result says of a prompt and the others of its case.
pub fn prompt_record(prompt: &Prompt) -> PromptRecord {
    PromptRecord {
        generator: prompt.source.generator().to_owned(),
        corpus_sha256: match &prompt.source {
            Source::Corpus { sha256, .. } => Reading::of(sha256.clone()),
            Source::Text { .. } => Reading::missing("the prompts are generated text"),
            Source::PlainIds { .. } => Reading::missing("the prompts are plain ids"),
        },
        tokens: prompt.ids.len() as u64,
    }
}
