//! Tokenizers with the published number of tokens and merges and invented words: they load and encode, and mean nothing.

use crate::gguf::{Array, Strings, Value};
use crate::model::{Architecture, Gemma4, Qwen35Moe, TokenType, byte_letter};

/// The `tokenizer.ggml.*` pairs of a file.
pub(super) fn metadata(architecture: &Architecture) -> Vec<(String, Value)> {
    let pairs = match architecture {
        Architecture::Qwen35Moe(shape) => qwen(shape),
        Architecture::Gemma4(shape) => gemma(shape),
    };
    pairs
        .into_iter()
        .map(|(key, value)| (format!("tokenizer.ggml.{key}"), value))
        .collect()
}

/// Tokens and their types, in step.
#[derive(Default)]
struct Vocabulary {
    tokens: Strings,
    kinds: Vec<i32>,
}

impl Vocabulary {
    fn push(&mut self, token: &str, kind: TokenType) {
        self.tokens.push(token);
        self.kinds.push(kind.id());
    }

    fn fill_to(&mut self, len: usize) {
        for id in self.tokens.len()..len {
            self.push(&format!("<unused{id}>"), TokenType::Unused);
        }
    }
}

type Pairs = Vec<(&'static str, Value)>;

/// Byte-level BPE: 256 bytes, one word per merge, and the special tokens at their published distance from the end.
fn qwen(shape: &Qwen35Moe) -> Pairs {
    let size = shape.vocabulary as usize;
    let mut vocabulary = Vocabulary::default();
    for byte in 0..=255u8 {
        vocabulary.push(&byte_letter(byte).to_string(), TokenType::Normal);
    }
    let words: Vec<String> = words().take(size - 733).collect();
    words
        .iter()
        .for_each(|word| vocabulary.push(word, TokenType::Normal));
    let special = size - 276;
    vocabulary.fill_to(special);
    for token in ["<|endoftext|>", "<|im_start|>", "<|im_end|>"] {
        vocabulary.push(token, TokenType::Control);
    }
    vocabulary.fill_to(size);
    let merges: Strings = words
        .iter()
        .map(|word| split(word, word.len() - 1))
        .collect();

    vec![
        ("model", Value::String("gpt2".to_owned())),
        ("pre", Value::String("qwen35".to_owned())),
        ("tokens", Value::Array(Array::String(vocabulary.tokens))),
        ("token_type", Value::Array(Array::I32(vocabulary.kinds))),
        ("merges", Value::Array(Array::String(merges))),
        ("eos_token_id", Value::U32(special as u32 + 2)),
        ("padding_token_id", Value::U32(special as u32 + 11)),
        ("add_bos_token", Value::Bool(false)),
    ]
}

/// BPE over text: special tokens and bytes at the start, then words, most of which two merges reach.
fn gemma(shape: &Gemma4) -> Pairs {
    const MERGES: usize = 514_906;
    let size = shape.vocabulary as usize;
    let mut vocabulary = Vocabulary::default();
    for (token, kind) in [
        ("<pad>", TokenType::Control),
        ("<eos>", TokenType::Control),
        ("<bos>", TokenType::Control),
        ("<unk>", TokenType::Unknown),
        ("<mask>", TokenType::Control),
    ] {
        vocabulary.push(token, kind);
    }
    vocabulary.fill_to(106);
    vocabulary.push("<turn|>", TokenType::Control);
    vocabulary.push("\n", TokenType::Normal);
    vocabulary.push("\u{2581}", TokenType::Normal);
    for letter in '!'..='~' {
        vocabulary.push(&letter.to_string(), TokenType::Normal);
    }
    for byte in 0..=255u8 {
        vocabulary.push(&format!("<0x{byte:02X}>"), TokenType::Byte);
    }
    let words: Vec<String> = words().take(size - vocabulary.tokens.len()).collect();
    words
        .iter()
        .for_each(|word| vocabulary.push(word, TokenType::Normal));
    let last_letter = words.iter().map(|word| split(word, word.len() - 1));
    let first_letter = words
        .iter()
        .filter(|word| word.len() > 2)
        .map(|word| split(word, 1));
    let merges: Strings = last_letter.chain(first_letter).take(MERGES).collect();

    vec![
        ("model", Value::String("gemma4".to_owned())),
        ("tokens", Value::Array(Array::String(vocabulary.tokens))),
        ("scores", Value::Array(Array::F32(vec![-1000.0; size]))),
        ("token_type", Value::Array(Array::I32(vocabulary.kinds))),
        ("merges", Value::Array(Array::String(merges))),
        ("bos_token_id", Value::U32(2)),
        ("eos_token_id", Value::U32(106)),
        ("unknown_token_id", Value::U32(3)),
        ("padding_token_id", Value::U32(0)),
        ("mask_token_id", Value::U32(4)),
        ("add_space_prefix", Value::Bool(false)),
        ("add_bos_token", Value::Bool(true)),
    ]
}

/// All words of two letters, then of three, then of four, each in the order of a letter's frequency in English.
fn words() -> impl Iterator<Item = String> {
    const LETTERS: &[u8; 26] = b"etaoinshrdlucmfwypvbgkjqxz";
    (2..=4u32).flat_map(|len| {
        (0..26usize.pow(len)).map(move |index| {
            let letter = |place: u32| char::from(LETTERS[index / 26usize.pow(place) % 26]);
            (0..len).rev().map(letter).collect()
        })
    })
}

/// The merge that makes a word of ASCII letters from its first `at` letters and the rest.
fn split(word: &str, at: usize) -> String {
    let (left, right) = word.split_at(at);
    format!("{left} {right}")
}
