//! The model files of `configs/`: their hyper-parameters are those that the program has, and the derived figures that
//! they state are those that it computes for the default file.

use std::collections::BTreeMap;

use sparkbench::config::{self, Attention};
use sparkbench::model::inspect::inspect;
use sparkbench::model::{Architecture, Gemma4, LayerKind, Mix, Model, Qwen35Moe, Scale};
use sparkbench::quant::TensorType::F16;

use super::{configured, hollow};

const CONTEXTS: [u64; 3] = [2_048, 32_768, 262_144];

/// The kind of each layer: `kinds` in the order of `attention`, Gated DeltaNet for the recurrent ones.
fn layers(stated: &config::Model, kinds: &[LayerKind]) -> Vec<LayerKind> {
    let attention = stated.attention.iter().zip(kinds);
    let mut layers: BTreeMap<u32, LayerKind> = attention
        .flat_map(|(attention, kind)| attention.layers.iter().map(|layer| (*layer, *kind)))
        .collect();
    let recurrent = stated.recurrent.iter().flat_map(|r| &r.layers);
    layers.extend(recurrent.map(|layer| (*layer, LayerKind::GatedDeltaNet)));
    assert_eq!(layers.len() as u32, stated.layer_count);
    layers.into_values().collect()
}

fn qwen35(stated: &config::Model) -> Qwen35Moe {
    let [full] = &stated.attention[..] else {
        panic!("one kind of attention")
    };
    let recurrent = stated.recurrent.as_ref().unwrap();
    assert!(full.output_gate && !full.value_from_key);
    Qwen35Moe {
        layers: layers(stated, &[LayerKind::FullAttention]),
        embedding: stated.hidden_size,
        vocabulary: stated.vocabulary_size,
        context: stated.context_max_tokens,
        query_heads: full.query_heads.into(),
        kv_heads: full.kv_heads.into(),
        head_dim: full.head_dim.into(),
        rotary_dim: full.rotary_dim.into(),
        rope_base: full.rope_theta as f32,
        rms_epsilon: stated.rms_norm_epsilon as f32,
        experts: stated.experts.count.into(),
        experts_used: stated.experts.per_token.into(),
        expert_width: stated.experts.width,
        shared_expert_width: stated.shared_expert_width.unwrap(),
        conv_kernel: recurrent.conv_taps.into(),
        state_size: recurrent.head_dim.into(),
        value_dim: recurrent.head_dim.into(),
        key_heads: recurrent.key_heads.into(),
        value_heads: recurrent.value_heads.into(),
        // Not configured: it tells nothing apart for text.
        rope_sections: Qwen35Moe::full().rope_sections,
    }
}

fn gemma4(stated: &config::Model) -> Gemma4 {
    let [local, global] = &stated.attention[..] else {
        panic!("two kinds of attention")
    };
    let separate = |attention: &Attention| !attention.output_gate && !attention.value_from_key;
    assert!(separate(local) && global.value_from_key);
    assert_eq!(local.query_heads, global.query_heads);
    assert_eq!(local.rotary_dim, local.head_dim);
    Gemma4 {
        layers: layers(
            stated,
            &[LayerKind::SlidingAttention, LayerKind::FullAttention],
        ),
        embedding: stated.hidden_size,
        vocabulary: stated.vocabulary_size,
        context: stated.context_max_tokens,
        dense_width: stated.dense_ffn_width.unwrap(),
        query_heads: local.query_heads.into(),
        sliding_kv_heads: local.kv_heads.into(),
        full_kv_heads: global.kv_heads.into(),
        sliding_head_dim: local.head_dim.into(),
        full_head_dim: global.head_dim.into(),
        sliding_rotary_dim: local.rotary_dim.into(),
        // Configured is how many turn; the file's pairs reach over the whole head, and `rope_freqs` stops most of them.
        full_rotary_dim: global.head_dim.into(),
        window: local.window_tokens.unwrap(),
        sliding_rope_base: local.rope_theta as f32,
        full_rope_base: global.rope_theta as f32,
        rms_epsilon: stated.rms_norm_epsilon as f32,
        logit_cap: stated.final_logit_softcap.unwrap() as f32,
        experts: stated.experts.count.into(),
        experts_used: stated.experts.per_token.into(),
        expert_width: stated.experts.width,
    }
}

#[test]
fn hyper_parameters_are_those_of_the_program() {
    for model in Model::ALL {
        let stated = configured(model);
        let architecture = match model {
            Model::Qwen35 => Architecture::Qwen35Moe(qwen35(&stated)),
            Model::Gemma4 => Architecture::Gemma4(gemma4(&stated)),
        };
        assert_eq!(architecture, model.architecture(Scale::Full));
        assert_eq!(stated.architecture, architecture.name());
        assert_eq!(stated.title, model.title());
    }
}

#[test]
fn mixes_have_the_programs_names_and_the_default_file_the_pinned_one() {
    for model in Model::ALL {
        let stated = configured(model);
        for mix in stated.weights.iter().filter_map(|pin| pin.mix.as_deref()) {
            Mix::parse(model, mix).unwrap();
        }
        let default = stated.default_weights().unwrap();
        assert_eq!(default.mix.as_deref(), Some(Mix::pinned(model).name()));
    }
}

#[test]
fn derived_figures_are_those_that_the_program_computes_for_the_default_file() {
    for model in Model::ALL {
        let config = configured(model);
        let stated = &config.stated;
        let found = inspect(&hollow(model, Mix::pinned(model)), &CONTEXTS, &[]).unwrap();
        let decode = found.decode.unwrap();
        let [short, middle, long] = &decode.contexts[..] else {
            panic!("three contexts")
        };
        assert_eq!(config.parameter_count, found.parameters);
        assert_eq!(stated.tensor_bytes, found.tensor_bytes);
        assert_eq!(stated.weight_bytes_per_token, decode.weights_read_bytes);
        assert_eq!(stated.recurrent_state_bytes, decode.state_bytes);
        // Beyond the window, only the layers without one grow.
        let growth = (long.kv_bytes - middle.kv_bytes) / (CONTEXTS[2] - CONTEXTS[1]);
        assert_eq!(stated.kv_bytes_per_token_f16, growth);
        assert_eq!(
            stated.kv_window_bytes_f16,
            short.kv_bytes - growth * CONTEXTS[0]
        );
        assert_eq!(stated.token_bytes_at_2048_context, short.moved_bytes);
        assert_eq!(stated.token_bytes_at_32768_context, middle.moved_bytes);
        assert_eq!(stated.token_bytes_at_262144_context, long.moved_bytes);
        assert_eq!(stated.memory_at_262144_context_bytes, long.resident_bytes);
    }
}

#[test]
fn sizes_of_experts_are_those_of_the_default_files_tensors() {
    for model in Model::ALL {
        let config = configured(model);
        let (mut bytes, mut elements) = (BTreeMap::new(), BTreeMap::new());
        for tensor in hollow(model, Mix::pinned(model)).tensors() {
            if let Some((
                layer,
                "ffn_gate_exps" | "ffn_up_exps" | "ffn_gate_up_exps" | "ffn_down_exps",
            )) = tensor.name.trim_end_matches(".weight").rsplit_once('.')
            {
                let experts = u64::from(config.experts.count);
                *bytes.entry(layer.to_owned()).or_default() += tensor.bytes / experts;
                *elements.entry(layer.to_owned()).or_default() += tensor.elements() / experts;
            }
        }
        let f16 = |elements: &u64| F16.bytes(*elements).unwrap();
        assert_eq!(bytes.values().min(), Some(&config.stated.expert_min_bytes));
        assert_eq!(bytes.values().max(), Some(&config.stated.expert_max_bytes));
        assert!(
            elements
                .values()
                .map(f16)
                .all(|bytes| bytes == config.stated.expert_f16_bytes)
        );
        assert_eq!(elements.len() as u32, config.layer_count);
    }
}

#[test]
fn the_files_hold_their_tensors_and_some_metadata() {
    for model in Model::ALL {
        let config = configured(model);
        let metadata = config.default_weights().unwrap().bytes - config.stated.tensor_bytes;
        // Tokenizer tables of a quarter of a million tokens.
        assert!((10_000_000..17_000_000).contains(&metadata), "{metadata}");
    }
}
