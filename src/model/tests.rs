//! Files that a loader should accept or refuse, made from the tiny architectures by changing one thing.

use proptest::prelude::*;

use crate::gguf::{Array, Gguf, Value, writer};
use crate::quant::TensorType::{self, F32, Q4_K};

use super::inspect::{Inspection, inspect};
use super::*;

mod inspection;

/// A file's metadata and tensor table, to be changed before it is laid out.
struct Draft {
    metadata: Vec<(String, Value)>,
    tensors: Vec<(String, Vec<u64>, TensorType)>,
}

impl Draft {
    fn of(model: Model) -> Self {
        let architecture = model.architecture(Scale::Tiny);
        let types = Mix::pinned(model).types(&architecture);
        let mut metadata = vec![(
            "general.architecture".to_owned(),
            Value::String(architecture.name().to_owned()),
        )];
        metadata.extend(architecture.metadata());
        Draft {
            metadata,
            tensors: architecture
                .tensors()
                .into_iter()
                .zip(types)
                .map(|(t, ty)| (t.name, t.dims, ty))
                .collect(),
        }
    }

    fn set(&mut self, key: &str, value: Value) {
        self.metadata.retain(|(other, _)| other != key);
        self.metadata.push((key.to_owned(), value));
    }

    fn without(mut self, key: &str) -> Self {
        self.metadata.retain(|(other, _)| other != key);
        self
    }

    fn add(&mut self, name: &str, dims: &[u64], ty: TensorType) {
        self.tensors.push((name.to_owned(), dims.to_vec(), ty));
    }

    /// The file, its tensors all zero.
    fn file(&self) -> Gguf<Vec<u8>> {
        let header = writer::header(&self.metadata, &self.tensors, 32).unwrap();
        let mut bytes = vec![0; header.file_bytes as usize];
        bytes[..header.bytes.len()].copy_from_slice(&header.bytes);
        Gguf::parse(bytes).unwrap()
    }

    fn inspect(&self) -> Result<Inspection, ModelError> {
        inspect(&self.file(), &[1000], &[])
    }

    fn architecture(&self) -> Result<Architecture, ModelError> {
        let file = self.file();
        Architecture::read(file.metadata(), file.tensors())
    }

    fn error(&self) -> String {
        self.inspect().unwrap_err().to_string()
    }
}

#[test]
fn the_tiny_twins_have_what_makes_the_full_ones_hard() {
    for model in Model::ALL {
        let (tiny, full) = (
            model.architecture(Scale::Tiny),
            model.architecture(Scale::Full),
        );
        for kind in full.layers() {
            assert!(
                tiny.layers().iter().filter(|of| *of == kind).count() >= 2,
                "{model} has {kind:?} once or never"
            );
        }
        assert_eq!(tiny.experts().1, full.experts().1);
        for mix in Mix::of(model) {
            for ty in mix.types(&full) {
                assert!(mix.types(&tiny).contains(&ty), "{model} {mix} has no {ty}");
            }
        }
    }
    let qwen = Qwen35Moe::tiny();
    assert_ne!(qwen.key_heads, qwen.value_heads);
    assert!(Gemma4::tiny().window < 64);
}

#[test]
fn names_lead_back_to_models_and_mixes() {
    for model in Model::ALL {
        assert_eq!(model.name().parse::<Model>().unwrap(), model);
        assert_eq!(Mix::of(model)[0], Mix::pinned(model));
        for mix in Mix::of(model) {
            assert_eq!(Mix::parse(model, mix.name()).unwrap(), *mix);
            assert_eq!(serde_json::to_value(mix).unwrap(), mix.name());
        }
    }
    assert_eq!(
        "llama".parse::<Model>().unwrap_err().to_string(),
        "expected a model name (qwen35_35b_a3b, gemma4_26b_a4b), found llama"
    );
    assert_eq!(
        Mix::parse(Model::Gemma4, "unsloth")
            .unwrap_err()
            .to_string(),
        "expected a mix of gemma4_26b_a4b (ggml-org, unsloth-ud), found unsloth"
    );
}

#[test]
fn a_missing_key_is_named() {
    let draft = Draft::of(Model::Gemma4).without("gemma4.attention.sliding_window");
    assert_eq!(
        draft.error(),
        "expected metadata key `gemma4.attention.sliding_window`, found none"
    );
}

#[test]
fn hyper_parameters_out_of_bounds_or_at_odds_are_refused() {
    let mut draft = Draft::of(Model::Qwen35);
    draft.set("qwen35moe.expert_count", Value::U32(0));
    assert_eq!(
        draft.error(),
        "expected qwen35moe.expert_count between 1 and 65536, found 0"
    );
    let mut draft = Draft::of(Model::Qwen35);
    draft.set("qwen35moe.ssm.inner_size", Value::U32(101));
    assert_eq!(
        draft.error(),
        "expected qwen35moe.ssm.inner_size to be a multiple of 4, found 101"
    );
    let mut draft = Draft::of(Model::Gemma4);
    draft.set(
        "gemma4.attention.sliding_window_pattern",
        Value::Array(Array::Bool(vec![true; 3])),
    );
    assert_eq!(
        draft.error(),
        "expected gemma4.attention.sliding_window_pattern to be 12 entries, one per layer, found 3"
    );
    let mut draft = Draft::of(Model::Gemma4);
    let heads = Value::Array(Array::I32(vec![2, 2, 2, 2, 1, 1, 2, 2, 2, 2, 2, 1]));
    draft.set("gemma4.attention.head_count_kv", heads);
    assert_eq!(
        draft.error(),
        "expected gemma4.attention.head_count_kv to be 2 in every layer of one kind, found 1"
    );
}

#[test]
fn sizes_that_do_not_fit_each_other_are_refused() {
    let refusals = [
        (
            Model::Qwen35,
            "qwen35moe.attention.head_count",
            Value::U32(3),
            "a multiple of 2, found 3",
        ),
        (
            Model::Qwen35,
            "qwen35moe.ssm.time_step_rank",
            Value::U32(5),
            "a multiple of 2, found 5",
        ),
        (
            Model::Qwen35,
            "qwen35moe.rope.dimension_count",
            Value::U32(33),
            "even, found 33",
        ),
        (
            Model::Qwen35,
            "qwen35moe.rope.freq_base",
            Value::F32(0.0),
            "a number above 0, found 0",
        ),
        (
            Model::Gemma4,
            "gemma4.attention.head_count",
            Value::U32(3),
            "a multiple of 2, found 3",
        ),
        (
            Model::Gemma4,
            "gemma4.final_logit_softcapping",
            Value::F32(f32::NAN),
            "a number above 0, found NaN",
        ),
        (
            Model::Gemma4,
            "gemma4.attention.shared_kv_layers",
            Value::U32(2),
            "0, found 2",
        ),
        (
            Model::Gemma4,
            "gemma4.embedding_length_per_layer_input",
            Value::U32(256),
            "0, found 256",
        ),
    ];
    for (model, key, value, complaint) in refusals {
        let mut draft = Draft::of(model);
        draft.set(key, value);
        assert_eq!(draft.error(), format!("expected {key} to be {complaint}"));
    }
    let mut draft = Draft::of(Model::Gemma4);
    draft.set("gemma4.rope.dimension_count_swa", Value::U32(258));
    assert_eq!(
        draft.error(),
        "expected gemma4.rope.dimension_count_swa between 1 and 256, found 258"
    );
}

#[test]
fn heads_are_rotated_whole_where_the_file_does_not_say() {
    let whole = Draft::of(Model::Gemma4).architecture().unwrap();
    let silent = Draft::of(Model::Gemma4)
        .without("gemma4.rope.dimension_count")
        .without("gemma4.rope.dimension_count_swa");
    assert_eq!(silent.architecture().unwrap(), whole);
}

#[test]
fn an_output_may_be_the_embedding_and_gemma_may_have_more_projections() {
    let mut tied = Draft::of(Model::Qwen35);
    tied.tensors.retain(|(name, ..)| name != "output.weight");
    tied.inspect().unwrap();

    let mut more = Draft::of(Model::Gemma4);
    more.add("output.weight", &[512, 2048], F32);
    more.add("blk.5.attn_v.weight", &[512, 512], F32);
    more.inspect().unwrap();
    more.add("blk.11.attn_v.weight", &[512, 256], F32);
    assert_eq!(
        more.error(),
        "expected tensor blk.11.attn_v.weight of dimensions [512, 512], found [512, 256]"
    );
}

#[test]
fn a_missing_or_misshapen_tensor_is_named() {
    let mut draft = Draft::of(Model::Qwen35);
    draft
        .tensors
        .retain(|(name, ..)| name != "blk.3.attn_q.weight");
    assert_eq!(
        draft.error(),
        "expected a tensor blk.3.attn_q.weight, found none of that name"
    );
    let mut draft = Draft::of(Model::Qwen35);
    for (name, dims, _) in &mut draft.tensors {
        if name == "blk.3.attn_q.weight" {
            dims[1] /= 2;
        }
    }
    assert_eq!(
        draft.error(),
        "expected tensor blk.3.attn_q.weight of dimensions [512, 2048], found [512, 1024]"
    );
}

#[test]
fn one_kv_head_count_for_all_layers_reads_like_an_array() {
    let mut draft = Draft::of(Model::Qwen35);
    let whole = draft.architecture().unwrap();
    let heads = [0, 0, 0, 2, 0, 0, 0, 2].to_vec();
    draft.set(
        "qwen35moe.attention.head_count_kv",
        Value::Array(Array::I32(heads)),
    );
    assert_eq!(draft.architecture().unwrap(), whole);

    let mut draft = Draft::of(Model::Gemma4);
    draft.set("gemma4.attention.head_count_kv", Value::U32(2));
    let Architecture::Gemma4(shape) = draft.architecture().unwrap() else {
        panic!("not gemma4")
    };
    assert_eq!((shape.sliding_kv_heads, shape.full_kv_heads), (2, 2));
}

#[test]
fn layer_kinds_come_from_the_array_the_interval_or_the_default() {
    const INTERVAL: &str = "qwen35moe.full_attention_interval";
    let whole = Draft::of(Model::Qwen35).architecture().unwrap();
    assert_eq!(
        Draft::of(Model::Qwen35)
            .without(INTERVAL)
            .architecture()
            .unwrap(),
        whole
    );
    let mut draft = Draft::of(Model::Qwen35).without(INTERVAL);
    let recurrent = whole
        .layers()
        .iter()
        .map(|kind| *kind == LayerKind::GatedDeltaNet)
        .collect();
    draft.set(
        "qwen35moe.attention.recurrent_layers",
        Value::Array(Array::Bool(recurrent)),
    );
    draft.set(INTERVAL, Value::U32(2));
    assert_eq!(draft.architecture().unwrap(), whole);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Hyper-parameters are a stranger's: up to the largest that are taken, nothing may overflow.
    #[test]
    fn any_hyper_parameters_are_read_or_refused(model in 0..2usize, which in any::<u64>(), value in prop_oneof![
        Just(0), Just(1), Just(1024), Just(1 << 16), any::<u32>(),
    ]) {
        let mut draft = Draft::of(Model::ALL[model]);
        for (index, (_, found)) in draft.metadata.iter_mut().enumerate() {
            if let (Value::U32(found), 1) = (found, which >> index & 1) {
                *found = value;
            }
        }
        if let Ok(architecture) = draft.architecture() {
            let (state, kv) = (architecture.state_bytes(), architecture.kv_bytes(u64::MAX, F32));
            prop_assert!(state < 1 << 63 && kv.is_some());
            let _ = draft.inspect();
        }
    }
}

#[test]
fn the_largest_hyper_parameters_overflow_nothing() {
    let limit = 1 << 16;
    let qwen = Architecture::Qwen35Moe(Qwen35Moe {
        layers: [LayerKind::GatedDeltaNet, LayerKind::FullAttention].repeat(512),
        query_heads: limit,
        kv_heads: limit,
        head_dim: limit,
        conv_kernel: limit,
        state_size: limit,
        key_heads: limit,
        value_heads: limit,
        ..Qwen35Moe::full()
    });
    let gemma = Architecture::Gemma4(Gemma4 {
        layers: [LayerKind::SlidingAttention, LayerKind::FullAttention].repeat(512),
        query_heads: limit,
        sliding_kv_heads: limit,
        full_kv_heads: limit,
        sliding_head_dim: limit,
        full_head_dim: limit,
        expert_width: limit,
        ..Gemma4::full()
    });
    for architecture in [qwen, gemma] {
        assert!(architecture.state_bytes() < 1 << 63);
        assert_eq!(architecture.kv_bytes(u64::MAX, F32), Some(u64::MAX));
        assert_eq!(
            architecture.kv_bytes(1, F32),
            Some(architecture.kv_bytes(2, F32).unwrap() / 2)
        );
        assert!(!architecture.tensors().is_empty());
    }
}
