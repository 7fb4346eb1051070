//! What a decoder refuses, and that a refusal changes nothing.

use crate::gguf::Value;
use crate::model::Architecture;
use crate::model::sample::{Sample, micro_gemma4};
use crate::quant::TensorType;
use crate::reference::Decoder;

fn sample() -> Sample {
    let mut sample = Sample::new(&Architecture::Gemma4(micro_gemma4()), 1, TensorType::F32);
    sample.set("gemma4.context_length", Value::U32(10));
    sample
}

fn refusal(sample: &Sample) -> String {
    let file = sample.file();
    Decoder::new(&file).err().unwrap().to_string()
}

#[test]
fn unknown_tokens_and_too_many_are_refused_and_change_nothing() {
    let file = sample().file();
    let mut decoder = Decoder::new(&file).unwrap();
    let logits = decoder.prefill(&[5, 6, 7]).unwrap().to_vec();
    let mut refusal = |ids: &[u32]| decoder.prefill(ids).unwrap_err().to_string();
    assert_eq!(refusal(&[39, 40]), "expected token ids below 40, found 40");
    assert_eq!(
        refusal(&[1; 8]),
        "expected at most 10 tokens in the context, found 11"
    );
    assert_eq!(refusal(&[]), "expected at least one token id, found none");
    let unknown = decoder.step(u32::MAX).unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "expected token ids below 40, found 4294967295"
    );
    assert!(unknown.hint().is_some());
    assert_eq!(
        (decoder.position(), decoder.logits()),
        (3, logits.as_slice())
    );
    decoder.prefill(&[1; 7]).unwrap();
    assert!(decoder.step(1).is_err());
}

#[test]
fn a_file_that_is_no_whole_model_is_refused() {
    let mut other = sample();
    other.set("general.architecture", Value::String("llama".to_owned()));
    assert_eq!(
        refusal(&other),
        "expected architecture qwen35moe or gemma4, found llama"
    );
    let mut part = sample();
    part.remove("blk.2.attn_q.weight");
    assert_eq!(
        refusal(&part),
        "expected a tensor blk.2.attn_q.weight, found none of that name"
    );
}

#[test]
fn a_type_without_values_is_named_with_its_tensor() {
    let mut strange = sample();
    let scale = strange.tensor("blk.0.ffn_gate_inp.scale");
    (scale.ty, scale.bytes) = (TensorType::I32, vec![0; 80]);
    assert_eq!(
        refusal(&strange),
        "tensor blk.0.ffn_gate_inp.scale: expected a type that can be dequantised (F32, F16, BF16, Q8_0, Q5_0, Q5_1, \
         Q4_K, Q5_K, Q6_K), found I32"
    );
}
