//! Ids against llama.cpp's, and what must hold for any text.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use serde::Deserialize;

use crate::gguf::{Array, Gguf, Value, writer};
use crate::model::{Mix, Model, Scale, synth};

use super::{Tokenizer, TokenizerError, Vocabulary};

/// A published vocabulary cut down to what some texts need, and the ids that llama.cpp makes of them with the whole one
/// (`tests/oracle/tokenizer_fixture.py`).
#[derive(Clone, Deserialize)]
pub(crate) struct Fixture {
    model: String,
    pre: Option<String>,
    bos_token_id: Option<u32>,
    eos_token_id: Option<u32>,
    add_bos_token: Option<bool>,
    /// Id in the whole vocabulary, text, type.
    tokens: Vec<(u32, String, i32)>,
    merges: Vec<String>,
    cases: Vec<Case>,
}

#[derive(Clone, Deserialize)]
struct Case {
    text: String,
    ids: Vec<u32>,
}

impl Fixture {
    /// The place of a token of the whole vocabulary in the cut one.
    fn place(&self, id: u32) -> u32 {
        self.tokens
            .iter()
            .position(|token| token.0 == id)
            .unwrap_or(usize::MAX) as u32
    }

    fn file(&self) -> Gguf<Vec<u8>> {
        let mut pairs = vec![
            text("model", &self.model),
            strings("tokens", self.tokens.iter().map(|token| &token.1)),
            strings("merges", &self.merges),
            (
                key("token_type"),
                Value::Array(Array::I32(self.tokens.iter().map(|t| t.2).collect())),
            ),
        ];
        pairs.extend(self.pre.as_deref().map(|pre| text("pre", pre)));
        let special = |name, id: u32| (key(name), Value::U32(self.place(id)));
        pairs.extend(self.bos_token_id.map(|id| special("bos_token_id", id)));
        pairs.extend(self.eos_token_id.map(|id| special("eos_token_id", id)));
        let adds = self.add_bos_token;
        pairs.extend(adds.map(|adds| (key("add_bos_token"), Value::Bool(adds))));
        Gguf::parse(writer::header(&pairs, &[], 32).unwrap().bytes).unwrap()
    }

    fn tokenizer(&self) -> Tokenizer {
        Tokenizer::from_gguf(self.file().metadata()).unwrap()
    }
}

fn key(name: &str) -> String {
    format!("tokenizer.ggml.{name}")
}

fn text(name: &str, text: &str) -> (String, Value) {
    (key(name), Value::String(text.to_owned()))
}

fn strings<S: AsRef<str>>(name: &str, strings: impl IntoIterator<Item = S>) -> (String, Value) {
    let strings = strings.into_iter().collect();
    (key(name), Value::Array(Array::String(strings)))
}

pub(crate) static QWEN: LazyLock<(Fixture, Tokenizer)> = LazyLock::new(|| fixture("qwen35"));
pub(crate) static GEMMA: LazyLock<(Fixture, Tokenizer)> = LazyLock::new(|| fixture("gemma4"));

fn fixture(name: &str) -> (Fixture, Tokenizer) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tokenizer");
    let json = fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
    let fixture: Fixture = serde_json::from_str(&json).unwrap();
    let tokenizer = fixture.tokenizer();
    (fixture, tokenizer)
}

#[test]
fn ids_are_those_of_llama_cpp() {
    for (fixture, tokenizer) in [&*QWEN, &*GEMMA] {
        for case in &fixture.cases {
            let ids = tokenizer.encode(&case.text);
            let ids: Vec<u32> = ids
                .iter()
                .map(|id| fixture.tokens[*id as usize].0)
                .collect();
            assert_eq!(ids, case.ids, "{} {:?}", fixture.model, case.text);
        }
    }
}

/// `SPARKBENCH_VOCABULARIES` names a directory of `NAME.gguf`, `NAME.gguf.inp` and `NAME.gguf.out` in the form of
/// llama.cpp's `models/ggml-vocab-*`: texts separated by a line, and a line of ids for each.
#[test]
#[ignore = "needs whole vocabulary files, in the directory SPARKBENCH_VOCABULARIES"]
fn ids_of_whole_vocabularies_are_those_of_llama_cpp() {
    let folder = std::env::var("SPARKBENCH_VOCABULARIES").unwrap();
    let mut texts = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "gguf") {
            continue;
        }
        let file = Gguf::open(&path).unwrap();
        let tokenizer = Tokenizer::from_gguf(file.metadata()).unwrap();
        let beside = |end: &str| fs::read_to_string(format!("{}.{end}", path.display())).unwrap();
        let input = beside("inp");
        let inputs: Vec<&str> = input.split("\n__ggml_vocab_test__\n").collect();
        let output = beside("out");
        let outputs: Vec<&str> = output.lines().collect();
        assert!(outputs.len() >= inputs.len() - 1, "{}", path.display());
        for (text, ids) in inputs.iter().zip(outputs) {
            let expected: Vec<u32> = ids
                .split_whitespace()
                .map(|id| id.parse().unwrap())
                .collect();
            assert_eq!(
                tokenizer.encode(text),
                expected,
                "{} {text:?}",
                path.display()
            );
            assert_eq!(
                tokenizer.decode(&expected).unwrap(),
                text.replace('\u{2581}', replaced(&tokenizer)).into_bytes(),
            );
            texts += 1;
        }
    }
    assert!(texts > 0, "no vocabulary files there");
}

/// What U+2581 comes back as.
fn replaced(tokenizer: &Tokenizer) -> &'static str {
    match tokenizer.vocabulary().bos() {
        Some(_) => " ",
        None => "\u{2581}",
    }
}

/// Any strings, and those whose characters come from the rules' classes.
fn any_text() -> impl Strategy<Value = String> {
    let characters =
        "[a-eA-E'sStTlL0-9 \\t\\r\\n!=.,\u{0301}\u{00e9}½三नि🐢\u{2581}\u{00a0}\u{2003}]{0,40}";
    prop_oneof![
        any::<String>(),
        ".{0,60}",
        characters,
        "(the |[ \n]|'Ll|\\[PAD151646\\]|<\\|tool_call>|<0x41>|<bos>){0,12}",
    ]
}

proptest! {
    #[test]
    fn decoding_gives_the_text_back(text in any_text()) {
        for (_, tokenizer) in [&*QWEN, &*GEMMA] {
            let ids = tokenizer.encode(&text);
            prop_assert!(ids.iter().all(|id| (*id as usize) < tokenizer.vocabulary().len()));
            let decoded = String::from_utf8(tokenizer.decode(&ids).unwrap()).unwrap();
            prop_assert_eq!(decoded, text.replace('\u{2581}', replaced(tokenizer)));
        }
    }

    #[test]
    fn text_never_makes_a_control_token(text in any_text()) {
        for (_, tokenizer) in [&*QWEN, &*GEMMA] {
            let special = [tokenizer.vocabulary().eos(), tokenizer.vocabulary().bos()];
            let ids = tokenizer.encode(&text);
            prop_assert!(!ids.iter().any(|id| special.contains(&Some(*id))));
        }
    }

    #[test]
    fn a_text_cut_behind_its_line_breaks_has_the_ids_of_its_parts(
        head in any_text(), tail in any_text(),
    ) {
        let head = format!("{}\n", head.trim_end_matches(['[', '<']));
        prop_assume!(!tail.starts_with(char::is_whitespace));
        for (_, tokenizer) in [&*QWEN, &*GEMMA] {
            let mut parts = tokenizer.encode(&head);
            parts.extend(tokenizer.encode(&tail));
            prop_assert_eq!(parts, tokenizer.encode(&format!("{head}{tail}")));
        }
    }
}

#[test]
fn only_gemma_begins_prompts_with_a_token() {
    let (qwen, gemma) = (&QWEN.1, &GEMMA.1);
    assert_eq!(qwen.vocabulary().bos(), None);
    assert_eq!(qwen.encode_prompt("a b"), qwen.encode("a b"));
    assert_eq!(gemma.vocabulary().bos(), Some(GEMMA.0.place(2)));
    let mut ids = vec![GEMMA.0.place(2)];
    ids.extend(gemma.encode("a b"));
    assert_eq!(gemma.encode_prompt("a b"), ids);
    // Also where the file says otherwise.
    let says_no = Fixture {
        add_bos_token: Some(false),
        ..GEMMA.0.clone()
    };
    assert!(says_no.tokenizer().vocabulary().bos().is_some());
}

#[test]
fn the_ordinary_ids_are_neither_special_nor_bytes() {
    let (fixture, tokenizer) = &*GEMMA;
    let types: HashMap<u32, i32> = (0u32..).zip(fixture.tokens.iter().map(|t| t.2)).collect();
    let ordinary = tokenizer.vocabulary().ordinary();
    assert!(ordinary.iter().all(|id| types[id] == 1));
    let normal = types.values().filter(|ty| **ty == 1).count();
    assert_eq!(ordinary.len(), normal);
}

#[test]
fn the_invented_tokenizers_of_synthetic_files_encode_and_decode() {
    for model in Model::ALL {
        let plan = synth::plan(model, Scale::Tiny, Mix::pinned(model), 1).unwrap();
        let mut bytes = vec![0; plan.file_bytes() as usize];
        bytes[..plan.header().len()].copy_from_slice(plan.header());
        let file = Gguf::parse(bytes).unwrap();
        assert!(synth::is_synthetic(file.metadata()));
        let tokenizer = Tokenizer::from_gguf(file.metadata()).unwrap();
        let text = "the rest of the station, 42 é\n";
        let ids = tokenizer.encode(text);
        assert!(ids.len() < text.len());
        assert_eq!(tokenizer.decode(&ids).unwrap(), text.as_bytes());
        assert!(tokenizer.vocabulary().eos().is_some());
    }
}

fn refusal(change: impl FnOnce(&mut Fixture)) -> TokenizerError {
    let mut fixture = GEMMA.0.clone();
    change(&mut fixture);
    Tokenizer::from_gguf(fixture.file().metadata()).unwrap_err()
}

#[test]
fn what_is_no_tokenizer_of_the_two_models_is_refused_in_one_line() {
    let errors = [
        refusal(|file| file.model = "llama".to_owned()),
        refusal(|file| file.pre = Some("qwen2".to_owned())),
        refusal(|file| file.tokens.retain(|token| token.1 != "<0x41>")),
        refusal(|file| file.tokens[4].2 = 9),
        refusal(|file| file.merges[0] = "nospace".to_owned()),
        refusal(|file| file.merges[1] = "no such".to_owned()),
        refusal(|file| file.eos_token_id = Some(u32::MAX)),
    ];
    let lines: Vec<String> = errors.iter().map(TokenizerError::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn an_id_beyond_the_vocabulary_has_no_text() {
    let tokens = QWEN.1.vocabulary().len() as u32;
    let error = QWEN.1.decode(&[0, tokens]).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("expected token ids below {tokens}, found {tokens} at position 1")
    );
}

#[test]
fn a_vocabulary_is_read_without_its_merges() {
    let mut fixture = QWEN.0.clone();
    fixture.merges = vec!["not one".to_owned()];
    let vocabulary = Vocabulary::from_gguf(fixture.file().metadata()).unwrap();
    assert_eq!(vocabulary.len(), QWEN.0.tokens.len());
}
