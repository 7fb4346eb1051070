//! `gemma4`: sliding-window attention with every sixth layer global, a dense MLP in parallel with routed experts.
//!
//! Source of shapes and keys: llama.cpp's loader and converter at commit 0c1e5709, transformers 5.17.0.

use crate::gguf::{Array, Metadata, TensorInfo, Value};

use super::hyper_parameters::{self, HyperParameters, u32_value};
use super::{LayerKind, ModelError, TensorShape};

/// Hyper-parameters of a `gemma4` model with experts in every layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Gemma4 {
    /// The kind of each layer: sliding attention, or full attention, which shares one projection for keys and values.
    pub layers: Vec<LayerKind>,
    /// Width of the residual stream.
    pub embedding: u64,
    /// Number of tokens; the embedding is also the output projection.
    pub vocabulary: u64,
    /// Longest context in tokens.
    pub context: u64,
    /// Width of the dense MLP.
    pub dense_width: u64,
    /// Query heads of every layer.
    pub query_heads: u64,
    /// Key and value heads of a sliding layer.
    pub sliding_kv_heads: u64,
    /// Key and value heads of a full-attention layer.
    pub full_kv_heads: u64,
    /// Dimension of a head in a sliding layer.
    pub sliding_head_dim: u64,
    /// Dimension of a head in a full-attention layer.
    pub full_head_dim: u64,
    /// Leading dimensions of a head that are rotated in a sliding layer.
    pub sliding_rotary_dim: u64,
    /// Leading dimensions of a head that may be rotated in a full-attention layer; `rope_freqs` says which pairs turn.
    pub full_rotary_dim: u64,
    /// Positions that a sliding layer sees, the current one included.
    pub window: u64,
    /// Base of the rotary angles in sliding layers.
    pub sliding_rope_base: f32,
    /// Base of the rotary angles in full-attention layers.
    pub full_rope_base: f32,
    /// Added to the mean square in every RMS norm.
    pub rms_epsilon: f32,
    /// Logits are capped smoothly at plus and minus this.
    pub logit_cap: f32,
    /// Routed experts of a layer.
    pub experts: u64,
    /// Routed experts that a token uses.
    pub experts_used: u64,
    /// Width of a routed expert.
    pub expert_width: u64,
}

impl Gemma4 {
    /// `general.architecture`
    pub const NAME: &str = "gemma4";

    /// Gemma 4 26B-A4B.
    pub fn full() -> Self {
        Gemma4 {
            layers: layer_kinds(30),
            embedding: 2816,
            vocabulary: 262_144,
            context: 262_144,
            dense_width: 2112,
            query_heads: 16,
            sliding_kv_heads: 8,
            full_kv_heads: 2,
            sliding_head_dim: 256,
            full_head_dim: 512,
            sliding_rotary_dim: 256,
            full_rotary_dim: 512,
            window: 1024,
            sliding_rope_base: 1e4,
            full_rope_base: 1e6,
            rms_epsilon: 1e-6,
            logit_cap: 30.0,
            experts: 128,
            experts_used: 8,
            expert_width: 704,
        }
    }

    /// A small twin with both layer kinds, a window that short prompts cross, and widths that are no multiple of 256.
    pub fn tiny() -> Self {
        Gemma4 {
            layers: layer_kinds(12),
            embedding: 512,
            vocabulary: 2048,
            context: 4096,
            dense_width: 288,
            query_heads: 4,
            sliding_kv_heads: 2,
            full_kv_heads: 1,
            window: 32,
            experts: 16,
            expert_width: 96,
            ..Self::full()
        }
    }

    /// Reads a file's hyper-parameters.
    pub fn read(metadata: &Metadata, tensors: &[TensorInfo]) -> Result<Self, ModelError> {
        let keys = HyperParameters {
            metadata,
            architecture: Self::NAME,
        };
        // Others of the family are as much another architecture as any.
        if metadata.get(&keys.key("expert_count")).is_none() {
            return Err(ModelError::Architecture {
                found: format!("{} without experts", Self::NAME),
            });
        }
        let layers = keys.decode_layers(tensors)?;
        let full_head_dim = keys.dimension("attention.key_length")?;
        keys.expect("attention.value_length", full_head_dim)?;
        let sliding_head_dim = keys.dimension("attention.key_length_swa")?;
        keys.expect("attention.value_length_swa", sliding_head_dim)?;
        let kinds = read_layer_kinds(&keys, layers)?;
        let experts = keys.dimension("expert_count")?;
        let sliding_kv_heads = keys.kv_heads(&kinds, LayerKind::SlidingAttention)?;
        let full_kv_heads = keys.kv_heads(&kinds, LayerKind::FullAttention)?;
        keys.multiple("attention.head_count", sliding_kv_heads)?;
        // What other models of the family have, and this one computes without.
        keys.absent("embedding_length_per_layer_input")?;
        keys.absent("attention.shared_kv_layers")?;

        Ok(Gemma4 {
            embedding: keys.dimension("embedding_length")?,
            vocabulary: hyper_parameters::vocabulary(tensors)?,
            context: keys.bounded("context_length", u32::MAX.into())?,
            dense_width: keys.dimension("feed_forward_length")?,
            query_heads: keys.multiple("attention.head_count", full_kv_heads)?,
            sliding_kv_heads,
            full_kv_heads,
            layers: kinds,
            sliding_head_dim,
            full_head_dim,
            sliding_rotary_dim: keys.rotary_dim("rope.dimension_count_swa", sliding_head_dim)?,
            full_rotary_dim: keys.rotary_dim("rope.dimension_count", full_head_dim)?,
            window: keys.bounded("attention.sliding_window", u32::MAX.into())?,
            sliding_rope_base: keys.positive("rope.freq_base_swa")?,
            full_rope_base: keys.positive("rope.freq_base")?,
            rms_epsilon: keys.positive("attention.layer_norm_rms_epsilon")?,
            logit_cap: keys.positive("final_logit_softcapping")?,
            experts,
            experts_used: keys.bounded("expert_used_count", experts)?,
            expert_width: keys.dimension("expert_feed_forward_length")?,
        })
    }

    /// KV heads and head dimension of a layer kind.
    pub fn attention(&self, kind: LayerKind) -> (u64, u64) {
        match kind {
            LayerKind::FullAttention => (self.full_kv_heads, self.full_head_dim),
            _ => (self.sliding_kv_heads, self.sliding_head_dim),
        }
    }

    pub(super) fn kv_of(&self, layer: usize) -> Option<(u64, u64, u64)> {
        let kind = *self.layers.get(layer)?;
        let (heads, head_dim) = self.attention(kind);
        let window = match kind {
            LayerKind::FullAttention => u64::MAX,
            _ => self.window,
        };
        Some((heads, head_dim, window))
    }

    pub(super) fn tensors(&self) -> Vec<TensorShape> {
        let width = self.embedding;
        let mut tensors = Vec::new();
        let mut add = |name: String, dims: &[u64]| {
            tensors.push(TensorShape {
                name,
                dims: dims.to_vec(),
            });
        };
        add("token_embd.weight".to_owned(), &[width, self.vocabulary]);
        add("output_norm.weight".to_owned(), &[width]);
        add("rope_freqs.weight".to_owned(), &[self.full_head_dim / 2]);
        for (layer, kind) in self.layers.iter().enumerate() {
            let (kv_heads, head_dim) = self.attention(*kind);
            let mut add = |name: &str, dims: &[u64]| add(format!("blk.{layer}.{name}"), dims);
            add("attn_norm.weight", &[width]);
            add("attn_q.weight", &[width, self.query_heads * head_dim]);
            add("attn_k.weight", &[width, kv_heads * head_dim]);
            if *kind == LayerKind::SlidingAttention {
                add("attn_v.weight", &[width, kv_heads * head_dim]);
            }
            add("attn_output.weight", &[self.query_heads * head_dim, width]);
            add("attn_q_norm.weight", &[head_dim]);
            add("attn_k_norm.weight", &[head_dim]);
            add("post_attention_norm.weight", &[width]);
            add("layer_output_scale.weight", &[1]);
            add("ffn_norm.weight", &[width]);
            add("ffn_gate.weight", &[width, self.dense_width]);
            add("ffn_up.weight", &[width, self.dense_width]);
            add("ffn_down.weight", &[self.dense_width, width]);
            add("post_ffw_norm.weight", &[width]);
            add("post_ffw_norm_1.weight", &[width]);
            add("post_ffw_norm_2.weight", &[width]);
            add("pre_ffw_norm_2.weight", &[width]);
            add("ffn_gate_inp.weight", &[width, self.experts]);
            add("ffn_gate_inp.scale", &[width]);
            add(
                "ffn_gate_up_exps.weight",
                &[width, 2 * self.expert_width, self.experts],
            );
            add(
                "ffn_down_exps.weight",
                &[self.expert_width, width, self.experts],
            );
            add("ffn_down_exps.scale", &[self.experts]);
        }
        tensors
    }

    /// An output projection of its own, and value projections in the layers that share the keys' without.
    pub(super) fn optional_tensors(&self) -> Vec<TensorShape> {
        let width = self.embedding;
        let mut tensors = vec![TensorShape {
            name: "output.weight".to_owned(),
            dims: vec![width, self.vocabulary],
        }];
        for (layer, kind) in self.layers.iter().enumerate() {
            if *kind == LayerKind::FullAttention {
                tensors.push(TensorShape {
                    name: format!("blk.{layer}.attn_v.weight"),
                    dims: vec![width, self.full_kv_heads * self.full_head_dim],
                });
            }
        }
        tensors
    }

    pub(super) fn metadata(&self) -> Vec<(String, Value)> {
        let heads = self
            .layers
            .iter()
            .map(|kind| self.attention(*kind).0 as i32)
            .collect();
        let sliding = self
            .layers
            .iter()
            .map(|kind| *kind == LayerKind::SlidingAttention)
            .collect();
        [
            ("block_count", u32_value(self.layers.len() as u64)),
            ("context_length", u32_value(self.context)),
            ("embedding_length", u32_value(self.embedding)),
            ("feed_forward_length", u32_value(self.dense_width)),
            ("attention.head_count", u32_value(self.query_heads)),
            ("attention.head_count_kv", Value::Array(Array::I32(heads))),
            ("rope.freq_base", Value::F32(self.full_rope_base)),
            ("rope.freq_base_swa", Value::F32(self.sliding_rope_base)),
            (
                "attention.layer_norm_rms_epsilon",
                Value::F32(self.rms_epsilon),
            ),
            ("expert_count", u32_value(self.experts)),
            ("expert_used_count", u32_value(self.experts_used)),
            ("attention.key_length", u32_value(self.full_head_dim)),
            ("attention.value_length", u32_value(self.full_head_dim)),
            ("final_logit_softcapping", Value::F32(self.logit_cap)),
            ("attention.sliding_window", u32_value(self.window)),
            ("attention.shared_kv_layers", Value::U32(0)),
            ("embedding_length_per_layer_input", Value::U32(0)),
            (
                "attention.sliding_window_pattern",
                Value::Array(Array::Bool(sliding)),
            ),
            ("attention.key_length_swa", u32_value(self.sliding_head_dim)),
            (
                "attention.value_length_swa",
                u32_value(self.sliding_head_dim),
            ),
            ("expert_feed_forward_length", u32_value(self.expert_width)),
            ("rope.dimension_count", u32_value(self.full_rotary_dim)),
            (
                "rope.dimension_count_swa",
                u32_value(self.sliding_rotary_dim),
            ),
        ]
        .map(|(key, value)| (format!("{}.{key}", Self::NAME), value))
        .to_vec()
    }
}

/// Every sixth layer has full attention, the others a window.
fn layer_kinds(layers: usize) -> Vec<LayerKind> {
    let kind = |layer: usize| match (layer + 1) % 6 {
        0 => LayerKind::FullAttention,
        _ => LayerKind::SlidingAttention,
    };
    (0..layers).map(kind).collect()
}

fn read_layer_kinds(keys: &HyperParameters, layers: usize) -> Result<Vec<LayerKind>, ModelError> {
    const PATTERN: &str = "attention.sliding_window_pattern";
    let key = keys.key(PATTERN);
    let sliding = keys.metadata.bools(&key)?;
    keys.expect_layers(PATTERN, sliding.len(), layers)?;
    let kind = |sliding: &bool| match sliding {
        true => LayerKind::SlidingAttention,
        false => LayerKind::FullAttention,
    };
    Ok(sliding.iter().take(layers).map(kind).collect())
}
