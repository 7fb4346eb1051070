//! Files that say the same in different ways give the same logits.

use crate::gguf::{Array, Value};
use crate::model::sample::{Sample, micro_gemma4, micro_qwen35moe, wide_qwen35moe};
use crate::model::{Architecture, LayerKind};
use crate::quant::TensorType;
use crate::reference::Decoder;

fn logits(sample: &Sample) -> Vec<f64> {
    let file = sample.file();
    let mut decoder = Decoder::new(&file).unwrap();
    decoder.prefill(&[3, 1, 39]).unwrap().to_vec()
}

fn qwen35moe() -> Sample {
    Sample::new(
        &Architecture::Qwen35Moe(micro_qwen35moe()),
        1,
        TensorType::F32,
    )
}

fn gemma4() -> Sample {
    Sample::new(&Architecture::Gemma4(micro_gemma4()), 1, TensorType::F32)
}

/// Joins each layer's gate and up projections: in each expert, the gate's rows first.
fn fuse(sample: &mut Sample, layers: usize) {
    for layer in 0..layers {
        let gate = sample.remove(&format!("blk.{layer}.ffn_gate_exps.weight"));
        let up = sample.remove(&format!("blk.{layer}.ffn_up_exps.weight"));
        let expert = gate.bytes.len() / gate.dims[2] as usize;
        let pairs = gate.bytes.chunks(expert).zip(up.bytes.chunks(expert));
        let mut fused = gate.clone();
        fused.name = format!("blk.{layer}.ffn_gate_up_exps.weight");
        fused.dims[1] *= 2;
        fused.bytes = pairs.flat_map(|(gate, up)| [gate, up].concat()).collect();
        sample.tensors.push(fused);
    }
}

/// The reverse.
fn split(sample: &mut Sample, layers: usize) {
    for layer in 0..layers {
        let fused = sample.remove(&format!("blk.{layer}.ffn_gate_up_exps.weight"));
        let half = fused.bytes.len() / fused.dims[2] as usize / 2;
        for (part, name) in ["gate", "up"].into_iter().enumerate() {
            let mut tensor = fused.clone();
            tensor.name = format!("blk.{layer}.ffn_{name}_exps.weight");
            tensor.dims[1] /= 2;
            tensor.bytes = fused
                .bytes
                .chunks(half)
                .skip(part)
                .step_by(2)
                .flatten()
                .copied()
                .collect();
            sample.tensors.push(tensor);
        }
    }
}

#[test]
fn gate_and_up_projections_may_be_fused_or_apart() {
    let (apart, mut fused) = (qwen35moe(), qwen35moe());
    fuse(&mut fused, 4);
    assert_eq!(logits(&fused), logits(&apart));
    let (fused, mut apart) = (gemma4(), gemma4());
    split(&mut apart, 4);
    assert_eq!(logits(&apart), logits(&fused));
}

#[test]
fn a_vector_may_have_a_dimension_of_one() {
    let (plain, mut longer) = (qwen35moe(), qwen35moe());
    longer
        .tensor("blk.1.ffn_gate_inp_shexp.weight")
        .dims
        .push(1);
    assert_eq!(logits(&longer), logits(&plain));
}

#[test]
fn a_block_for_next_token_prediction_changes_nothing() {
    let (plain, mut longer) = (qwen35moe(), qwen35moe());
    longer.set("qwen35moe.block_count", Value::U32(5));
    let kinds = vec![true, false, true, false, false];
    longer.set(
        "qwen35moe.attention.recurrent_layers",
        Value::Array(Array::Bool(kinds)),
    );
    let mut block: Vec<_> = plain
        .tensors
        .iter()
        .filter(|t| t.name.starts_with("blk.3."))
        .cloned()
        .collect();
    let mut projection = block[0].clone();
    projection.name = "blk.3.nextn.enorm.weight".to_owned();
    block.push(projection);
    for mut tensor in block {
        tensor.name = tensor.name.replace("blk.3.", "blk.4.");
        longer.tensors.push(tensor);
    }
    assert_eq!(logits(&longer), logits(&plain));
}

#[test]
fn layer_kinds_may_be_listed_one_by_one() {
    let mut kinds = micro_qwen35moe();
    kinds.layers = vec![
        LayerKind::FullAttention,
        LayerKind::GatedDeltaNet,
        LayerKind::GatedDeltaNet,
    ];
    let mut listed = Sample::new(&Architecture::Qwen35Moe(kinds), 1, TensorType::F32);
    let recurrent = Value::Array(Array::Bool(vec![false, true, true]));
    listed.set("qwen35moe.attention.recurrent_layers", recurrent);
    assert!(logits(&listed).iter().all(|logit| logit.is_finite()));
}

#[test]
fn an_output_of_its_own_is_used_and_may_be_the_embedding() {
    let mut tied = qwen35moe();
    let own = tied.remove("output.weight");
    let mut copied = tied.clone();
    let mut embedding = copied.tensor("token_embd.weight").clone();
    embedding.name = "output.weight".to_owned();
    copied.tensors.push(embedding);
    assert_eq!(logits(&tied), logits(&copied));
    assert_ne!(logits(&tied), logits(&qwen35moe()));

    let mut gemma = gemma4();
    let mut projection = own;
    projection.dims = vec![20, 40];
    projection.bytes.truncate(20 * 40 * 4);
    gemma.tensors.push(projection);
    assert_ne!(logits(&gemma), logits(&gemma4()));
}

#[test]
fn a_value_projection_equal_to_the_keys_is_as_good_as_none() {
    let (shared, mut own) = (gemma4(), gemma4());
    let mut values = own.tensor("blk.1.attn_k.weight").clone();
    values.name = "blk.1.attn_v.weight".to_owned();
    own.tensors.push(values);
    assert_eq!(logits(&own), logits(&shared));
    own.tensor("blk.1.attn_v.weight").bytes.rotate_left(80);
    assert_ne!(logits(&own), logits(&shared));
}

/// Every type is exact: a file gives what one with its values in F32 gives.
#[test]
fn weights_may_have_any_type_that_has_values() {
    let quantised = [
        TensorType::Q8_0,
        TensorType::Q5_0,
        TensorType::Q5_1,
        TensorType::Q4_K,
        TensorType::Q5_K,
        TensorType::Q6_K,
    ];
    let architecture = Architecture::Qwen35Moe(wide_qwen35moe());
    let quantised = quantised.map(|ty| Sample::new(&architecture, 1, ty));
    let halves = [TensorType::F16, TensorType::BF16].map(|ty| {
        let mut sample = gemma4();
        sample
            .tensors
            .iter_mut()
            .for_each(|tensor| tensor.narrow(ty));
        // 10^30 is infinite in half precision, which stops a pair as well.
        sample
    });
    for sample in quantised.into_iter().chain(halves) {
        let mut wide = sample.clone();
        wide.tensors.iter_mut().for_each(|tensor| tensor.widen());
        assert_ne!(wide.bytes(), sample.bytes());
        let logits_of_sample = logits(&sample);
        assert!(logits_of_sample.iter().all(|logit| logit.is_finite()));
        assert_eq!(logits_of_sample, logits(&wide));
    }
}
