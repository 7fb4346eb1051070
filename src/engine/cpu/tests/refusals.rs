//! What the engine refuses, and that a refusal changes nothing.

use std::path::Path;

use super::scratch::{micro_samples, open, try_open};
use crate::engine::{Device, Engine, EngineError, Options};
use crate::model::sample::ids;
use crate::quant::TensorType;

#[test]
fn ids_that_the_vocabulary_lacks_append_nothing() {
    let [qwen, _] = micro_samples();
    let mut engine = open(&qwen);
    engine.prefill(&ids(4)).unwrap();
    let before = engine.logits().to_vec();
    let error = engine.prefill(&[1, 40, 2]).unwrap_err();
    assert_eq!(error.to_string(), "expected token ids below 40, found 40");
    assert_eq!((engine.position(), engine.logits()), (4, before.as_slice()));
    engine.prefill(&[]).unwrap();
    assert_eq!((engine.position(), engine.logits()), (4, before.as_slice()));
}

#[test]
fn a_context_takes_as_many_tokens_as_were_asked_for() {
    for sample in micro_samples() {
        let options = Options {
            context: Some(10),
            ..Options::default()
        };
        let mut engine = try_open(&sample, options).unwrap();
        assert_eq!(engine.context(), 10);
        engine.prefill(&ids(8)).unwrap();
        let error = engine.prefill(&ids(3)).unwrap_err();
        let expected = "expected at most 10 tokens in the context, found 8 and 3 more";
        assert_eq!(error.to_string(), expected);
        assert!(error.hint().is_some());
        engine.prefill(&ids(2)).unwrap();
        assert!(engine.step(0).is_err());
        assert_eq!(engine.position(), 10);
        engine.reset();
        engine.prefill(&ids(10)).unwrap();
    }
}

#[test]
fn a_context_is_one_that_the_model_was_made_for() {
    let [qwen, _] = micro_samples();
    assert_eq!(open(&qwen).context(), 4096);
    for found in [0, 4097] {
        let options = Options {
            context: Some(found),
            ..Options::default()
        };
        let error = try_open(&qwen, options).err().unwrap();
        let expected = format!("expected a context of 1 to 4096 tokens, found {found}");
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn a_type_that_cannot_be_read_names_its_tensor() {
    let [mut qwen, _] = micro_samples();
    let tensor = qwen.tensor("blk.1.attn_q.weight");
    tensor.ty = TensorType::I32;
    let error = try_open(&qwen, Options::default()).err().unwrap();
    assert_eq!(
        error.to_string(),
        "cannot use tensor blk.1.attn_q.weight: expected a type that can be dequantised (F32, F16, BF16, Q8_0, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K), found I32"
    );
    assert!(error.hint().is_some());
}

#[test]
fn a_file_that_is_no_model_is_refused() {
    let error = |path: &str| {
        let opened = crate::engine::open(Device::Cpu, Path::new(path), Options::default());
        opened.err().unwrap()
    };
    assert!(matches!(error("no/such/file.gguf"), EngineError::File(_)));
    assert!(matches!(error("Cargo.toml"), EngineError::File(_)));
    let [mut qwen, _] = micro_samples();
    qwen.tensors.retain(|tensor| tensor.name != "blk.0.ssm_a");
    let error = try_open(&qwen, Options::default()).err().unwrap();
    assert_eq!(
        error.to_string(),
        "expected a tensor blk.0.ssm_a, found none of that name"
    );
}

#[test]
fn no_threads_are_refused() {
    let [qwen, _] = micro_samples();
    let options = Options {
        threads: Some(0),
        ..Options::default()
    };
    let error = try_open(&qwen, options).err().unwrap();
    assert_eq!(
        error.to_string(),
        "cannot start 0 threads: at least one is needed"
    );
}
