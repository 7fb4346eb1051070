//! `qwen35moe`: Gated DeltaNet layers with every fourth one full attention, many small experts and one shared.
//!
//! Source of shapes and keys: llama.cpp's loader and converter at commit 0c1e5709, transformers 5.17.0.

use crate::gguf::{Array, Metadata, TensorInfo, Value};

use super::hyper_parameters::{self, HyperParameters, u32_value};
use super::{LayerKind, ModelError, TensorShape};

/// Hyper-parameters of a `qwen35moe` model.
#[derive(Debug, Clone, PartialEq)]
pub struct Qwen35Moe {
    /// The kind of each layer: full attention or Gated DeltaNet.
    pub layers: Vec<LayerKind>,
    /// Width of the residual stream.
    pub embedding: u64,
    /// Number of tokens.
    pub vocabulary: u64,
    /// Longest context in tokens.
    pub context: u64,
    /// Query heads of full attention; `attn_q` holds each head's query and, behind it, its output gate.
    pub query_heads: u64,
    /// Key and value heads of full attention.
    pub kv_heads: u64,
    /// Dimension of a query, key or value head.
    pub head_dim: u64,
    /// Leading dimensions of a head that are rotated.
    pub rotary_dim: u64,
    /// Base of the rotary angles.
    pub rope_base: f32,
    /// How rotary pairs divide over the three position streams; for text all three are equal.
    pub rope_sections: [i32; 4],
    /// Added to the mean square in every RMS norm.
    pub rms_epsilon: f32,
    /// Routed experts of a layer.
    pub experts: u64,
    /// Routed experts that a token uses.
    pub experts_used: u64,
    /// Width of a routed expert.
    pub expert_width: u64,
    /// Width of the shared expert.
    pub shared_expert_width: u64,
    /// Taps of the causal convolution.
    pub conv_kernel: u64,
    /// Dimension of a query and of a key head of Gated DeltaNet.
    pub state_size: u64,
    /// Dimension of a value head of Gated DeltaNet.
    pub value_dim: u64,
    /// Key heads of Gated DeltaNet; value head j uses key head j mod this.
    pub key_heads: u64,
    /// Value heads of Gated DeltaNet.
    pub value_heads: u64,
}

impl Qwen35Moe {
    /// `general.architecture`
    pub const NAME: &str = "qwen35moe";

    /// Qwen3.5-35B-A3B.
    pub fn full() -> Self {
        Qwen35Moe {
            layers: layer_kinds(40, 4),
            embedding: 2048,
            vocabulary: 248_320,
            context: 262_144,
            query_heads: 16,
            kv_heads: 2,
            head_dim: 256,
            rotary_dim: 64,
            rope_base: 1e7,
            rope_sections: [11, 11, 10, 0],
            rms_epsilon: 1e-6,
            experts: 256,
            experts_used: 8,
            expert_width: 512,
            shared_expert_width: 512,
            conv_kernel: 4,
            state_size: 128,
            value_dim: 128,
            key_heads: 16,
            value_heads: 32,
        }
    }

    /// A small twin with both layer kinds twice over, grouped queries, and twice as many value heads as key heads.
    pub fn tiny() -> Self {
        Qwen35Moe {
            layers: layer_kinds(8, 4),
            embedding: 512,
            vocabulary: 2048,
            context: 4096,
            query_heads: 4,
            kv_heads: 2,
            experts: 16,
            expert_width: 256,
            shared_expert_width: 256,
            key_heads: 2,
            value_heads: 4,
            ..Self::full()
        }
    }

    /// Reads a file's hyper-parameters.
    pub fn read(metadata: &Metadata, tensors: &[TensorInfo]) -> Result<Self, ModelError> {
        let keys = HyperParameters {
            metadata,
            architecture: Self::NAME,
        };
        let kinds = read_layer_kinds(&keys, keys.decode_layers(tensors)?)?;
        let head_dim = keys.dimension("attention.key_length")?;
        keys.expect("attention.value_length", head_dim)?;
        let key_heads = keys.dimension("ssm.group_count")?;
        let value_heads = keys.multiple("ssm.time_step_rank", key_heads)?;
        let value_dim = keys.parts("ssm.inner_size", value_heads)?;
        let sections = keys.key("rope.dimension_sections");
        let rope_sections = <[i64; 4]>::try_from(metadata.integers(&sections)?)
            .map_err(|found| ModelError::Inconsistent {
                key: sections,
                expected: "4 entries".to_owned(),
                found: found.len().to_string(),
            })?
            .map(|section| section as i32);
        let experts = keys.dimension("expert_count")?;
        let kv_heads = keys.kv_heads(&kinds, LayerKind::FullAttention)?;

        Ok(Qwen35Moe {
            embedding: keys.dimension("embedding_length")?,
            vocabulary: hyper_parameters::vocabulary(tensors)?,
            context: keys.bounded("context_length", u32::MAX.into())?,
            query_heads: keys.multiple("attention.head_count", kv_heads)?,
            kv_heads,
            layers: kinds,
            head_dim,
            rotary_dim: keys.rotary_dim("rope.dimension_count", head_dim)?,
            rope_base: keys.positive("rope.freq_base")?,
            rope_sections,
            rms_epsilon: keys.positive("attention.layer_norm_rms_epsilon")?,
            experts,
            experts_used: keys.bounded("expert_used_count", experts)?,
            expert_width: keys.dimension("expert_feed_forward_length")?,
            shared_expert_width: keys.dimension("expert_shared_feed_forward_length")?,
            conv_kernel: keys.dimension("ssm.conv_kernel")?,
            state_size: keys.dimension("ssm.state_size")?,
            value_dim,
            key_heads,
            value_heads,
        })
    }

    /// Width of all value heads of Gated DeltaNet together.
    pub fn value_width(&self) -> u64 {
        self.value_heads * self.value_dim
    }

    /// Channels of the convolution: queries, keys and values of Gated DeltaNet.
    pub fn conv_channels(&self) -> u64 {
        2 * self.key_heads * self.state_size + self.value_width()
    }

    /// Bytes of the state matrices of all Gated DeltaNet layers, f32.
    pub fn state_bytes(&self) -> u64 {
        self.recurrent_layers() * self.value_heads * self.state_size * self.value_dim * 4
    }

    /// Bytes of the convolution windows of all Gated DeltaNet layers, f32.
    pub fn conv_bytes(&self) -> u64 {
        self.recurrent_layers() * (self.conv_kernel - 1) * self.conv_channels() * 4
    }

    fn recurrent_layers(&self) -> u64 {
        self.layers
            .iter()
            .filter(|kind| **kind == LayerKind::GatedDeltaNet)
            .count() as u64
    }

    pub(super) fn kv_of(&self, layer: usize) -> Option<(u64, u64, u64)> {
        (self.layers.get(layer) == Some(&LayerKind::FullAttention)).then_some((
            self.kv_heads,
            self.head_dim,
            u64::MAX,
        ))
    }

    pub(super) fn tensors(&self) -> Vec<TensorShape> {
        let (width, vocabulary) = (self.embedding, self.vocabulary);
        let mut tensors = Vec::new();
        let mut add = |name: String, dims: &[u64]| {
            tensors.push(TensorShape {
                name,
                dims: dims.to_vec(),
            });
        };
        add("token_embd.weight".to_owned(), &[width, vocabulary]);
        add("output.weight".to_owned(), &[width, vocabulary]);
        add("output_norm.weight".to_owned(), &[width]);
        for (layer, kind) in self.layers.iter().enumerate() {
            let mut add = |name: &str, dims: &[u64]| add(format!("blk.{layer}.{name}"), dims);
            add("attn_norm.weight", &[width]);
            add("post_attention_norm.weight", &[width]);
            if *kind == LayerKind::FullAttention {
                add(
                    "attn_q.weight",
                    &[width, 2 * self.query_heads * self.head_dim],
                );
                add("attn_k.weight", &[width, self.kv_heads * self.head_dim]);
                add("attn_v.weight", &[width, self.kv_heads * self.head_dim]);
                add(
                    "attn_output.weight",
                    &[self.query_heads * self.head_dim, width],
                );
                add("attn_q_norm.weight", &[self.head_dim]);
                add("attn_k_norm.weight", &[self.head_dim]);
            } else {
                add("attn_qkv.weight", &[width, self.conv_channels()]);
                add("attn_gate.weight", &[width, self.value_width()]);
                add("ssm_alpha.weight", &[width, self.value_heads]);
                add("ssm_beta.weight", &[width, self.value_heads]);
                add(
                    "ssm_conv1d.weight",
                    &[self.conv_kernel, self.conv_channels()],
                );
                add("ssm_a", &[self.value_heads]);
                add("ssm_dt.bias", &[self.value_heads]);
                add("ssm_norm.weight", &[self.value_dim]);
                add("ssm_out.weight", &[self.value_width(), width]);
            }
            add("ffn_gate_inp.weight", &[width, self.experts]);
            add(
                "ffn_gate_exps.weight",
                &[width, self.expert_width, self.experts],
            );
            add(
                "ffn_up_exps.weight",
                &[width, self.expert_width, self.experts],
            );
            add(
                "ffn_down_exps.weight",
                &[self.expert_width, width, self.experts],
            );
            add("ffn_gate_inp_shexp.weight", &[width]);
            add("ffn_gate_shexp.weight", &[width, self.shared_expert_width]);
            add("ffn_up_shexp.weight", &[width, self.shared_expert_width]);
            add("ffn_down_shexp.weight", &[self.shared_expert_width, width]);
        }
        tensors
    }

    pub(super) fn metadata(&self) -> Vec<(String, Value)> {
        let interval = self
            .layers
            .iter()
            .position(|kind| *kind == LayerKind::FullAttention);
        let interval = interval.map_or(self.layers.len(), |first| first + 1) as u64;
        let sections = Value::Array(Array::I32(self.rope_sections.to_vec()));
        [
            ("block_count", u32_value(self.layers.len() as u64)),
            ("context_length", u32_value(self.context)),
            ("embedding_length", u32_value(self.embedding)),
            ("attention.head_count", u32_value(self.query_heads)),
            ("attention.head_count_kv", u32_value(self.kv_heads)),
            ("rope.dimension_sections", sections),
            ("rope.freq_base", Value::F32(self.rope_base)),
            (
                "attention.layer_norm_rms_epsilon",
                Value::F32(self.rms_epsilon),
            ),
            ("expert_count", u32_value(self.experts)),
            ("expert_used_count", u32_value(self.experts_used)),
            ("attention.key_length", u32_value(self.head_dim)),
            ("attention.value_length", u32_value(self.head_dim)),
            ("expert_feed_forward_length", u32_value(self.expert_width)),
            (
                "expert_shared_feed_forward_length",
                u32_value(self.shared_expert_width),
            ),
            ("ssm.conv_kernel", u32_value(self.conv_kernel)),
            ("ssm.state_size", u32_value(self.state_size)),
            ("ssm.group_count", u32_value(self.key_heads)),
            ("ssm.time_step_rank", u32_value(self.value_heads)),
            ("ssm.inner_size", u32_value(self.value_width())),
            ("full_attention_interval", u32_value(interval)),
            ("rope.dimension_count", u32_value(self.rotary_dim)),
        ]
        .map(|(key, value)| (format!("{}.{key}", Self::NAME), value))
        .to_vec()
    }
}

/// Every `interval`-th layer has full attention, the others Gated DeltaNet.
fn layer_kinds(layers: usize, interval: usize) -> Vec<LayerKind> {
    let kind = |layer: usize| match (layer + 1) % interval {
        0 => LayerKind::FullAttention,
        _ => LayerKind::GatedDeltaNet,
    };
    (0..layers).map(kind).collect()
}

/// The kinds that a file states: layer by layer where it does, else by the interval, which is 4 where none is given.
fn read_layer_kinds(keys: &HyperParameters, layers: usize) -> Result<Vec<LayerKind>, ModelError> {
    const RECURRENT: &str = "attention.recurrent_layers";
    const INTERVAL: &str = "full_attention_interval";
    if let Some(recurrent) = keys
        .metadata
        .optional(&keys.key(RECURRENT), Metadata::bools)?
    {
        keys.expect_layers(RECURRENT, recurrent.len(), layers)?;
        let kind = |recurrent: &bool| match recurrent {
            true => LayerKind::GatedDeltaNet,
            false => LayerKind::FullAttention,
        };
        return Ok(recurrent.iter().take(layers).map(kind).collect());
    }
    let interval = match keys.metadata.get(&keys.key(INTERVAL)) {
        Some(_) => keys.dimension(INTERVAL)?,
        None => 4,
    };
    Ok(layer_kinds(layers, interval as usize))
}
