//! The tokens of a file: their texts, their types and the special ones among them. Knows nothing of merges.

use crate::gguf::{Metadata, Strings};
use crate::model::TokenType;

use super::TokenizerError;

/// How a file's tokenizer cuts text and writes tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// Qwen3.5: bytes written as letters, words cut by character class.
    ByteLevel,
    /// Gemma 4: UTF-8 with U+2581 for the space, cut into lines and runs of line feeds, bytes as a last resort.
    Utf8,
}

/// The tokens of a file. An id is an index.
#[derive(Debug, Clone)]
pub struct Vocabulary {
    pub(super) scheme: Scheme,
    pub(super) tokens: Strings,
    types: Vec<TokenType>,
    bos: Option<u32>,
    eos: Option<u32>,
}

impl Vocabulary {
    /// The vocabulary in the `tokenizer.ggml.*` pairs of a file.
    pub fn from_gguf(metadata: &Metadata) -> Result<Self, TokenizerError> {
        let scheme = scheme(metadata)?;
        let tokens = metadata.strings("tokenizer.ggml.tokens")?.clone();
        if u32::try_from(tokens.len()).is_err() {
            return Err(TokenizerError::TooManyTokens {
                most: u32::MAX,
                found: tokens.len(),
            });
        }
        let types = types(metadata, tokens.len())?;
        let special = |key: &'static str| match metadata.optional(key, Metadata::u32)? {
            Some(found) if found as usize >= tokens.len() => {
                Err(TokenizerError::SpecialOutOfRange {
                    key,
                    tokens: tokens.len(),
                    found,
                })
            }
            id => Ok(id),
        };
        let bos = special("tokenizer.ggml.bos_token_id")?;
        let eos = special("tokenizer.ggml.eos_token_id")?;
        let asked = metadata.optional("tokenizer.ggml.add_bos_token", Metadata::bool)?;
        // Gemma 4 says nothing sensible without it; llama.cpp adds it whatever the file says.
        let begins_with_bos = scheme == Scheme::Utf8 || asked == Some(true);
        Ok(Vocabulary {
            scheme,
            tokens,
            types,
            bos: bos.filter(|_| begins_with_bos),
            eos,
        })
    }

    /// Number of tokens; ids are below it.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The id that every prompt of this model begins with, where it has one.
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// The id by which the model ends its answer.
    pub fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// The ids that text is made of: neither special, nor unused, nor a single byte's fallback.
    pub fn ordinary(&self) -> Vec<u32> {
        self.of_type(TokenType::Normal).collect()
    }

    pub(super) fn of_type(&self, ty: TokenType) -> impl Iterator<Item = u32> {
        (0u32..)
            .zip(&self.types)
            .filter_map(move |(id, found)| (*found == ty).then_some(id))
    }

    /// Text and type of a token, the text as the file writes it.
    pub(super) fn token(&self, id: u32) -> Option<(&str, TokenType)> {
        let index = usize::try_from(id).ok()?;
        Some((self.tokens.get(index)?, *self.types.get(index)?))
    }
}

fn scheme(metadata: &Metadata) -> Result<Scheme, TokenizerError> {
    let model = metadata.str("tokenizer.ggml.model")?;
    let pre = metadata.optional("tokenizer.ggml.pre", Metadata::str)?;
    match (model, pre) {
        ("gpt2", Some("qwen35")) => Ok(Scheme::ByteLevel),
        ("gemma4", None | Some("gemma4")) => Ok(Scheme::Utf8),
        _ => Err(TokenizerError::UnknownTokenizer {
            found: match pre {
                Some(pre) => format!("{model:?} with pre {pre:?}"),
                None => format!("{model:?} without pre"),
            },
        }),
    }
}

fn types(metadata: &Metadata, tokens: usize) -> Result<Vec<TokenType>, TokenizerError> {
    let numbers = metadata.integers("tokenizer.ggml.token_type")?;
    if numbers.len() != tokens {
        return Err(TokenizerError::TypeCount {
            tokens,
            found: numbers.len(),
        });
    }
    let ty =
        |(id, found)| TokenType::from_id(found).ok_or(TokenizerError::UnknownType { id, found });
    (0u32..).zip(numbers).map(ty).collect()
}
