//! A file's tokenizer, put together from its vocabulary and merges.

use std::collections::HashMap;

use crate::gguf::Metadata;
use crate::model::{TokenType, byte_letter};

use super::bpe::{Merges, Symbol};
use super::vocabulary::Scheme;
use super::{TokenizerError, Vocabulary, split};

/// What Gemma 4 writes for a space.
const SPACE: char = '\u{2581}';

/// The tokenizer of a model file. Ids equal llama.cpp's of the same file with `parse_special` off: control tokens are
/// never made from text, and text is not normalised.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    vocabulary: Vocabulary,
    ids: HashMap<String, u32>,
    merges: Merges,
    /// The token of each byte.
    bytes: Vec<u32>,
    /// Tokens that are taken whole where they occur, longest first.
    user_defined: Vec<(String, u32)>,
    /// The byte of each letter, for byte-level texts.
    letters: HashMap<char, u8>,
}

/// A part of a text between user-defined tokens, or one of these.
#[derive(Clone, Copy)]
enum Fragment<'a> {
    Text(&'a str),
    Token(u32),
}

impl Tokenizer {
    /// Builds the tokenizer that the `tokenizer.ggml.*` pairs of a file describe.
    pub fn from_gguf(metadata: &Metadata) -> Result<Self, TokenizerError> {
        let vocabulary = Vocabulary::from_gguf(metadata)?;
        let tokens = (0u32..).zip(vocabulary.tokens.iter());
        let ids: HashMap<String, u32> = tokens.map(|(id, text)| (text.to_owned(), id)).collect();
        let merges = Merges::new(metadata.strings("tokenizer.ggml.merges")?, &ids)?;
        let bytes = (0..=255u8)
            .map(|byte| byte_token(vocabulary.scheme, byte, &ids))
            .collect::<Result<_, _>>()?;
        let mut user_defined: Vec<(String, u32)> = vocabulary
            .of_type(TokenType::UserDefined)
            .filter_map(|id| Some((vocabulary.token(id)?.0.to_owned(), id)))
            .filter(|(text, _)| !text.is_empty())
            .collect();
        user_defined.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        Ok(Tokenizer {
            vocabulary,
            ids,
            merges,
            bytes,
            user_defined,
            letters: (0..=255).map(|byte| (byte_letter(byte), byte)).collect(),
        })
    }

    /// The tokens.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The ids of a text, without the one that begins a prompt.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut ids = Vec::with_capacity(text.len() / 3);
        for fragment in self.fragments(text) {
            match fragment {
                Fragment::Token(id) => ids.push(id),
                Fragment::Text(text) => self.encode_fragment(text, &mut ids),
            }
        }
        ids
    }

    /// The ids of a text, after the one that begins a prompt where the model has such a one.
    pub fn encode_prompt(&self, text: &str) -> Vec<u32> {
        let mut ids: Vec<u32> = self.vocabulary.bos().into_iter().collect();
        ids.extend(self.encode(text));
        ids
    }

    /// The bytes that ids stand for; a special token stands for its name. They are UTF-8 as a whole, but not where ids
    /// are cut within a character. `decode(encode(text))` is `text`, but that Gemma 4 has no token for U+2581 other than
    /// the space's.
    pub fn decode(&self, ids: &[u32]) -> Result<Vec<u8>, TokenizerError> {
        let mut bytes = Vec::with_capacity(ids.len() * 4);
        for (position, &id) in ids.iter().enumerate() {
            let token = self.vocabulary.token(id);
            let (text, ty) = token.ok_or_else(|| TokenizerError::IdOutOfRange {
                tokens: self.vocabulary.len(),
                position,
                id,
            })?;
            self.decode_token(text, ty, &mut bytes);
        }
        Ok(bytes)
    }

    fn fragments<'a>(&self, text: &'a str) -> Vec<Fragment<'a>> {
        let mut fragments = vec![Fragment::Text(text)];
        for (token, id) in &self.user_defined {
            if !text.contains(token.as_str()) {
                continue;
            }
            let cut = |fragment| match fragment {
                Fragment::Text(text) => cut_out(text, token, *id),
                token => vec![token],
            };
            fragments = fragments.into_iter().flat_map(cut).collect();
        }
        fragments
    }

    fn encode_fragment(&self, text: &str, ids: &mut Vec<u32>) {
        match self.vocabulary.scheme {
            Scheme::ByteLevel => {
                for word in split::words(text) {
                    let bytes = word.bytes().map(|byte| self.bytes[usize::from(byte)]);
                    self.merge(bytes.map(Symbol::Token).collect(), ids);
                }
            }
            Scheme::Utf8 => {
                for word in split::lines(text) {
                    match self.ids.get(word) {
                        // Merges do not arrive at every run of line feeds that is a token.
                        Some(id) if word.starts_with('\n') => ids.push(*id),
                        _ => self.merge(word.chars().map(|c| self.symbol(c)).collect(), ids),
                    }
                }
            }
        }
    }

    /// The symbol of a character for Gemma 4.
    fn symbol(&self, c: char) -> Symbol {
        let written = if c == ' ' { SPACE } else { c };
        match self.ids.get(written.encode_utf8(&mut [0; 4])) {
            Some(id) => Symbol::Token(*id),
            None => Symbol::Unknown(written),
        }
    }

    fn merge(&self, word: Vec<Symbol>, ids: &mut Vec<u32>) {
        for symbol in self.merges.apply(word) {
            match symbol {
                Symbol::Token(id) => ids.push(id),
                Symbol::Unknown(c) => {
                    let mut buffer = [0; 4];
                    let bytes = c.encode_utf8(&mut buffer).bytes();
                    ids.extend(bytes.map(|byte| self.bytes[usize::from(byte)]));
                }
            }
        }
    }

    fn decode_token(&self, text: &str, ty: TokenType, bytes: &mut Vec<u8>) {
        let mut buffer = [0; 4];
        match (ty, self.vocabulary.scheme) {
            (TokenType::Normal, Scheme::ByteLevel) => {
                for c in text.chars() {
                    match self.letters.get(&c) {
                        Some(byte) => bytes.push(*byte),
                        None => bytes.extend(c.encode_utf8(&mut buffer).bytes()),
                    }
                }
            }
            (TokenType::Normal, Scheme::Utf8) => {
                for c in text.chars() {
                    let c = if c == SPACE { ' ' } else { c };
                    bytes.extend(c.encode_utf8(&mut buffer).bytes());
                }
            }
            (TokenType::Byte, _) => match byte_of(text) {
                Some(byte) => bytes.push(byte),
                None => bytes.extend(text.bytes()),
            },
            _ => bytes.extend(text.bytes()),
        }
    }
}

/// The token that a byte alone is: its letter, or `<0xXX>`.
fn byte_token(scheme: Scheme, byte: u8, ids: &HashMap<String, u32>) -> Result<u32, TokenizerError> {
    let token = match scheme {
        Scheme::ByteLevel => byte_letter(byte).to_string(),
        Scheme::Utf8 => format!("<0x{byte:02X}>"),
    };
    match ids.get(&token) {
        Some(id) => Ok(*id),
        None => Err(TokenizerError::NoByteToken { byte, token }),
    }
}

/// The byte of a token `<0xXX>`.
fn byte_of(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    u8::from_str_radix(digits, 16).ok()
}

/// A text with every occurrence of `token` taken out as `id`.
fn cut_out<'a>(text: &'a str, token: &str, id: u32) -> Vec<Fragment<'a>> {
    let mut fragments = Vec::new();
    for (at, part) in text.split(token).enumerate() {
        if at > 0 {
            fragments.push(Fragment::Token(id));
        }
        if !part.is_empty() {
            fragments.push(Fragment::Text(part));
        }
    }
    fragments
}
