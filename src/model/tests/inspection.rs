//! What `inspect` says of files that are decoded, and of those that are only listed.

use super::*;

#[test]
fn fused_gate_and_up_projections_change_no_figure() {
    let apart = Draft::of(Model::Qwen35);
    let mut fused = Draft::of(Model::Qwen35);
    fused
        .tensors
        .retain(|(name, ..)| !name.contains("ffn_up_exps"));
    for (name, dims, _) in &mut fused.tensors {
        if name.contains("ffn_gate_exps") {
            *name = name.replace("gate", "gate_up");
            dims[1] *= 2;
        }
    }
    assert_eq!(
        fused.inspect().unwrap().decode,
        apart.inspect().unwrap().decode
    );
}

#[test]
fn a_block_for_next_token_prediction_is_listed_and_not_decoded() {
    let plain = Draft::of(Model::Qwen35);
    let mut with_block = Draft::of(Model::Qwen35);
    with_block.set("qwen35moe.block_count", Value::U32(9));
    with_block.set("qwen35moe.nextn_predict_layers", Value::U32(1));
    with_block.add("blk.8.attn_norm.weight", &[512], F32);
    with_block.add("blk.8.ffn_up_exps.weight", &[512, 256, 16], Q4_K);
    with_block.add("blk.8.nextn.eh_proj.weight", &[1024, 512], Q4_K);
    let (plain, found) = (plain.inspect().unwrap(), with_block.inspect().unwrap());
    assert_eq!(found.decode, plain.decode);
    let class = |class: &&inspect::ClassTotal| class.class == TensorClass::NextTokenPrediction;
    assert_eq!(found.classes.iter().find(class).unwrap().tensors, 3);
}

#[test]
fn other_architectures_are_listed_without_decoding_figures() {
    let mut draft = Draft::of(Model::Gemma4);
    draft.set("general.architecture", Value::String("gemma3".to_owned()));
    draft.set("gemma3.block_count", Value::U32(18));
    draft.add("blk.0.unheard_of.weight", &[256], F32);
    let found = draft.inspect().unwrap();
    assert_eq!(found.decode, None);
    assert_eq!(
        found.no_decode_because.unwrap(),
        "expected architecture qwen35moe or gemma4, found gemma3"
    );
    assert_eq!(found.hyper_parameters.len(), 1);
    assert!(
        found
            .classes
            .iter()
            .any(|class| class.class == TensorClass::Other && class.tensors == 1)
    );
}

#[test]
fn a_file_without_tensors_is_listed() {
    let mut draft = Draft::of(Model::Gemma4);
    draft.tensors.clear();
    assert_eq!(
        draft.inspect().unwrap().no_decode_because.unwrap(),
        "the file has no tensors"
    );
}

#[test]
fn an_inspection_has_this_shape() {
    let machines = [inspect::Machine {
        name: "a machine".to_owned(),
        bandwidth_gbps: 100.0,
    }];
    let file = Draft::of(Model::Qwen35).file();
    insta::assert_json_snapshot!(inspect(&file, &[0, 1000], &machines).unwrap());
}
