//! A prompt and where it is from.

use crate::result::ids_sha256;
use crate::tokenizer::Tokenizer;

use super::draws::Draws;
use super::{Corpus, PromptError, text};

/// Token ids for an engine to start from. A shorter prompt of the same source and seed is the beginning of a longer one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// The ids, exactly as many as were asked for.
    pub ids: Vec<u32>,
    /// Digest of `ids` ([`ids_sha256`]).
    pub ids_sha256: String,
    /// From what the ids can be made again.
    pub source: Source,
}

/// From what a prompt can be made again, beside the model file and the number of ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Text that this suite generates.
    Text {
        /// Chooses the text.
        seed: u64,
    },
    /// A window of a file.
    Corpus {
        /// Chooses the window.
        seed: u64,
        /// SHA-256 of the file.
        sha256: String,
        /// Where the window begins.
        offset_bytes: usize,
    },
    /// Ids that stand for no text.
    PlainIds {
        /// Chooses the ids.
        seed: u64,
    },
}

impl Source {
    /// Name and version of what makes the ids, as results state it. The version changes when any prompt does.
    pub fn generator(&self) -> &'static str {
        match self {
            Source::Text { .. } => "sparkbench.text/1",
            Source::Corpus { .. } => "sparkbench.corpus/1",
            Source::PlainIds { .. } => "sparkbench.plain_ids/1",
        }
    }
}

impl Prompt {
    /// `tokens` ids of text generated from `seed`, behind the id that begins a prompt where the model has one.
    pub fn from_text(tokenizer: &Tokenizer, seed: u64, tokens: usize) -> Self {
        let blocks = (0..).map(|index| text::block(seed, index));
        let ids = encode(tokenizer, blocks, tokens);
        Prompt::new(ids, Source::Text { seed })
    }

    /// `tokens` ids of the window of a corpus that `seed` chooses, behind the id that begins a prompt where the model has
    /// one. A window that reaches the end of the file goes on at its start.
    pub fn from_corpus(
        tokenizer: &Tokenizer,
        corpus: &Corpus,
        seed: u64,
        tokens: usize,
    ) -> Result<Self, PromptError> {
        let offset_bytes = corpus.offset(seed);
        let ids = encode(tokenizer, corpus.pieces(offset_bytes), tokens);
        if ids.len() < tokens {
            return Err(PromptError::TooShort {
                wanted: tokens,
                found: ids.len(),
            });
        }
        let sha256 = corpus.sha256().to_owned();
        Ok(Prompt::new(
            ids,
            Source::Corpus {
                seed,
                sha256,
                offset_bytes,
            },
        ))
    }

    /// `tokens` ids, each drawn from `ordinary` with equal probability: for files whose tokens mean nothing.
    pub fn from_plain_ids(ordinary: &[u32], seed: u64, tokens: usize) -> Result<Self, PromptError> {
        let mut draws = Draws::new(seed, 0);
        let ids = (0..tokens).map(|_| draws.pick(ordinary).copied());
        let ids = ids
            .collect::<Option<_>>()
            .ok_or(PromptError::NoOrdinaryTokens)?;
        Ok(Prompt::new(ids, Source::PlainIds { seed }))
    }

    fn new(ids: Vec<u32>, source: Source) -> Self {
        Prompt {
            ids_sha256: ids_sha256(&ids),
            ids,
            source,
        }
    }
}

/// The first `tokens` ids of pieces in a row, or all if they are fewer.
fn encode(
    tokenizer: &Tokenizer,
    pieces: impl Iterator<Item = impl AsRef<str>>,
    tokens: usize,
) -> Vec<u32> {
    let mut ids: Vec<u32> = tokenizer.vocabulary().bos().into_iter().collect();
    for piece in pieces {
        if ids.len() >= tokens {
            break;
        }
        ids.extend(tokenizer.encode(piece.as_ref()));
    }
    ids.truncate(tokens);
    ids
}
