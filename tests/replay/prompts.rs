//! Prompts of text: generated, or cut from a corpus.

use std::fs;
use std::path::PathBuf;

use serde_json::Value as Json;
use sparkbench::gguf::{Array, Strings, Value};
use sparkbench::model::{TokenType, byte_letter};

use crate::lab::{Session, failed, verify};
use crate::model::{architecture, file};
use crate::program::{stderr, text};

/// A model file in which every byte of a text is a token.
fn text_model(session: &tempfile::TempDir) -> PathBuf {
    let vocabulary = architecture().vocabulary() as usize;
    let letters = (0..=255u8).map(|byte| byte_letter(byte).to_string());
    let unused = (256..vocabulary).map(|id| format!("<unused{id}>"));
    let tokens: Strings = letters.chain(unused).collect();
    let kind = |id| match id {
        0..256 => TokenType::Normal,
        _ => TokenType::Unused,
    };
    let kinds = (0..vocabulary).map(|id| kind(id).id()).collect();
    let string = |text: &str| Value::String(text.to_owned());
    let pairs = [
        ("model", string("gpt2")),
        ("pre", string("qwen35")),
        ("tokens", Value::Array(Array::String(tokens))),
        ("token_type", Value::Array(Array::I32(kinds))),
        ("merges", Value::Array(Array::String(Strings::default()))),
    ];
    let pairs = pairs.map(|(key, value)| (format!("tokenizer.ggml.{key}"), value));
    let path = session.path().join("text.gguf");
    fs::write(&path, file(1, pairs.into())).unwrap();
    path
}

fn report(session: &Session, arguments: &[&str]) -> Json {
    let output = verify(&session.file, &[arguments, &["--json"]].concat());
    let report: Json = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("no report: {}", stderr(&output)));
    report["files"][0].clone()
}

fn prompt_check(report: &Json) -> &Json {
    let mut checks = report["checks"].as_array().unwrap().iter();
    checks
        .find(|check| check["name"] == "replay.prompt")
        .unwrap()
}

#[test]
fn generated_text_is_generated_again() {
    let directory = tempfile::tempdir().unwrap();
    let model = text_model(&directory);
    let session = Session::of(&model, &[]);
    let report = report(&session, &["--replay", text(&model)]);
    assert_eq!(failed(&report), []);
    assert_eq!(prompt_check(&report)["status"], "pass");
}

#[test]
fn a_window_of_a_corpus_is_cut_again_where_the_corpus_is_given() {
    let directory = tempfile::tempdir().unwrap();
    let model = text_model(&directory);
    let lines = |word: &str| -> String {
        (0..40)
            .map(|line| format!("{word} number {line} of a corpus\n"))
            .collect()
    };
    let (corpus, other) = (
        directory.path().join("corpus.txt"),
        directory.path().join("other.txt"),
    );
    fs::write(&corpus, lines("Line")).unwrap();
    fs::write(&other, lines("Verse")).unwrap();
    let session = Session::of(&model, &["--corpus", text(&corpus)]);
    let replay = ["--replay", text(&model)];

    let given = report(
        &session,
        &[&replay[..], &["--corpus", text(&corpus)]].concat(),
    );
    assert_eq!(failed(&given), []);
    assert_eq!(prompt_check(&given)["status"], "pass");

    // Tokens and experts are replayed all the same, behind the ids that the result states.
    let without = report(&session, &replay);
    assert_eq!(failed(&without), []);
    assert_eq!(without["level"]["value"], 4);
    let check = prompt_check(&without);
    assert_eq!(check["status"], "skipped");
    assert!(
        check["details"][0]
            .as_str()
            .unwrap()
            .contains("--corpus FILE")
    );

    let wrong = report(
        &session,
        &[&replay[..], &["--corpus", text(&other)]].concat(),
    );
    let failed = failed(&wrong);
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(failed[0].1.contains("corpus_sha256: stated "), "{failed:?}");
}
