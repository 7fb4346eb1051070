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

/// Prompts up to this length are recorded id by id.
const INLINE_IDS: usize = 4096;

/// What a result says of a prompt.
pub fn prompt_record(prompt: &Prompt) -> PromptRecord {
    PromptRecord {
        generator: prompt.source.generator().to_owned(),
        corpus_sha256: match &prompt.source {
            Source::Corpus { sha256, .. } => Reading::of(sha256.clone()),
            Source::Text { .. } => Reading::missing("the prompt is generated text"),
            Source::PlainIds { .. } => Reading::missing("the prompt is plain ids"),
        },
        tokens: prompt.ids.len() as u64,
        ids: match prompt.ids.len() <= INLINE_IDS {
            true => Reading::of(prompt.ids.clone()),
            false => Reading::missing("the generator gives them again from the case's seed"),
        },
        ids_sha256: prompt.ids_sha256.clone(),
    }
}
