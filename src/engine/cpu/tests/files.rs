//! Variants of files that say the same in another way.

use super::scratch::{logits, micro_samples, try_open};
use crate::engine::{Engine, Options};
use crate::gguf::Value;
use crate::model::sample::{Sample, SampleTensor, ids};

/// Puts `up`'s rows of each of `experts` experts behind `gate`'s.
fn fused(gate: &SampleTensor, up: &SampleTensor) -> SampleTensor {
    let experts = gate.dims[2] as usize;
    let of_expert = gate.bytes.len() / experts;
    let pairs = gate.bytes.chunks(of_expert).zip(up.bytes.chunks(of_expert));
    SampleTensor {
        name: gate.name.replace("gate", "gate_up"),
        dims: vec![gate.dims[0], 2 * gate.dims[1], gate.dims[2]],
        ty: gate.ty,
        bytes: pairs.flat_map(|(gate, up)| [gate, up].concat()).collect(),
    }
}

/// Takes the fused projections apart.
fn split(fused: &SampleTensor) -> [SampleTensor; 2] {
    let half = fused.bytes.len() / fused.dims[2] as usize / 2;
    [("gate", 0), ("up", 1)].map(|(name, part)| SampleTensor {
        name: fused.name.replace("gate_up", name),
        dims: vec![fused.dims[0], fused.dims[1] / 2, fused.dims[2]],
        ty: fused.ty,
        bytes: fused
            .bytes
            .chunks(half)
            .skip(part)
            .step_by(2)
            .flatten()
            .copied()
            .collect(),
    })
}

#[test]
fn gate_and_up_projections_may_be_fused_or_apart() {
    let [qwen, gemma] = micro_samples();
    let mut changed = qwen.clone();
    for gate in qwen
        .tensors
        .iter()
        .filter(|tensor| tensor.name.contains("ffn_gate_exps"))
    {
        let up = changed.tensor(&gate.name.replace("gate", "up")).clone();
        *changed.tensor(&gate.name) = fused(gate, &up);
        changed.tensors.retain(|tensor| tensor.name != up.name);
    }
    assert_eq!(logits(&changed, &ids(6)), logits(&qwen, &ids(6)));

    let mut changed = gemma.clone();
    changed
        .tensors
        .retain(|tensor| !tensor.name.contains("gate_up"));
    for fused in gemma
        .tensors
        .iter()
        .filter(|tensor| tensor.name.contains("gate_up"))
    {
        changed.tensors.extend(split(fused));
    }
    assert_eq!(logits(&changed, &ids(6)), logits(&gemma, &ids(6)));
}

#[test]
fn without_an_output_projection_the_embedding_is_used() {
    let [mut qwen, _] = micro_samples();
    qwen.tensor("output.weight").bytes = qwen.tensor("token_embd.weight").bytes.clone();
    let mut tied = qwen.clone();
    tied.tensors.retain(|tensor| tensor.name != "output.weight");
    assert_eq!(logits(&tied, &ids(6)), logits(&qwen, &ids(6)));
}

#[test]
fn values_that_equal_the_keys_may_be_a_projection_of_their_own() {
    let [_, gemma] = micro_samples();
    let mut apart = gemma.clone();
    let mut value = apart.tensor("blk.1.attn_k.weight").clone();
    value.name = "blk.1.attn_v.weight".to_owned();
    apart.tensors.push(value);
    assert_eq!(logits(&apart, &ids(6)), logits(&gemma, &ids(6)));
}

#[test]
fn a_block_for_next_token_prediction_changes_nothing() {
    let [qwen, _] = micro_samples();
    let mut with_block = qwen.clone();
    with_block.set("qwen35moe.block_count", Value::U32(5));
    for tensor in qwen
        .tensors
        .iter()
        .filter(|tensor| tensor.name.starts_with("blk.1."))
    {
        with_block.tensors.push(SampleTensor {
            name: tensor.name.replace("blk.1.", "blk.4."),
            ..tensor.clone()
        });
    }
    let mut head: SampleTensor = with_block.tensor("blk.1.attn_k.weight").clone();
    head.name = "blk.4.nextn.eh_proj.weight".to_owned();
    with_block.tensors.push(head);
    assert_eq!(logits(&with_block, &ids(6)), logits(&qwen, &ids(6)));
}

#[test]
fn weights_that_are_no_numbers_give_logits_that_are_none() {
    for mut sample in micro_samples() {
        for name in ["blk.0.attn_norm.weight", "blk.2.ffn_gate_inp.weight"] {
            let tensor: &mut SampleTensor = sample.tensor(name);
            tensor.bytes = f32::NAN.to_le_bytes().repeat(tensor.bytes.len() / 4);
        }
        assert!(logits(&sample, &ids(3)).iter().all(|logit| logit.is_nan()));
    }
}

#[test]
fn any_number_in_the_metadata_is_run_or_refused() {
    for sample in micro_samples() {
        for (key, value) in &sample.metadata {
            let tried: Vec<Value> = match value {
                Value::U32(_) => [0, 1, 2, 3, 64, 65_535, u32::MAX].map(Value::U32).into(),
                Value::F32(_) => [0.0, -1.0, f32::NAN, f32::MAX].map(Value::F32).into(),
                _ => continue,
            };
            for value in tried {
                let mut changed: Sample = sample.clone();
                changed.set(key, value);
                runs_or_is_refused(&changed);
            }
        }
    }
}

fn runs_or_is_refused(sample: &Sample) {
    if let Ok(mut engine) = try_open(sample, Options::default()) {
        let _ = engine.prefill(&ids(7)); // a context of fewer tokens refuses them
    }
}
