//! A model: its hyper-parameters, its pinned weight files, and the derived figures that it states. Opens no file.

use serde::{Deserialize, Serialize};

use super::source::ConfigSource;

/// One model file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Name by which targets and `--model` refer to it.
    pub name: String,
    /// The publisher's name, for tables.
    pub title: String,
    /// The publisher's repository of the original weights.
    pub publisher_repository: String,
    /// `general.architecture` of its GGUF files.
    pub architecture: String,
    /// Parameters of the text model, without multi-token prediction.
    pub parameter_count: u64,
    /// Parameters touched for one decoded token, LM head included.
    pub parameters_per_token: u64,
    /// Decoder layers.
    pub layer_count: u32,
    /// Width of the residual stream.
    pub hidden_size: u64,
    /// Rows of the embedding and of the LM head.
    pub vocabulary_size: u64,
    /// Whether the embedding is the LM head.
    pub tied_embeddings: bool,
    /// Longest context that the model was made for.
    pub context_max_tokens: u64,
    /// Epsilon of every RMS norm.
    pub rms_norm_epsilon: f64,
    /// Logits are `c * tanh(l / c)` with this `c`, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_logit_softcap: Option<f64>,
    /// Kinds of softmax attention, each with the layers that use it.
    pub attention: Vec<Attention>,
    /// Layers with a recurrent state in place of a KV cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurrent: Option<Recurrent>,
    /// Routed experts, in every layer.
    pub experts: Experts,
    /// Width of the expert that every token passes, gated by a sigmoid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_expert_width: Option<u64>,
    /// Width of the dense feed-forward block in parallel with the experts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dense_ffn_width: Option<u64>,
    /// Published files, exactly one of them the default.
    pub weights: Vec<WeightsPin>,
    /// Synthetic files of the same shapes, by scale, mix and seed.
    #[serde(default)]
    pub synthetic: Vec<SyntheticPin>,
    /// Derived figures of the default file, as stated; a test holds them to what `model` computes.
    pub stated: Stated,
    /// Where this was read from.
    #[serde(skip_deserializing)]
    pub source: ConfigSource,
}

/// One kind of softmax attention.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attention {
    /// What the model's authors call it: `full`, `local`, `global`.
    pub name: String,
    /// Layers of this kind, counted from 0.
    pub layers: Vec<u32>,
    /// Query heads.
    pub query_heads: u32,
    /// Key and value heads; each serves `query_heads / kv_heads` query heads (GQA).
    pub kv_heads: u32,
    /// Elements of one head.
    pub head_dim: u32,
    /// Keys that a query sees, itself included; null when it sees all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_tokens: Option<u64>,
    /// Elements of a head that rotary embedding turns.
    pub rotary_dim: u32,
    /// Base of the rotary angles.
    pub rope_theta: f64,
    /// Factor of the scores before the softmax.
    pub softmax_scale: f64,
    /// Whether the query projection also emits a sigmoid gate of the output.
    pub output_gate: bool,
    /// Whether V is taken from the K projection, so that no V matrix exists.
    pub value_from_key: bool,
}

/// Gated DeltaNet layers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recurrent {
    /// Layers of this kind, counted from 0.
    pub layers: Vec<u32>,
    /// Query and key heads.
    pub key_heads: u32,
    /// Value heads; each has a state of `head_dim * head_dim` f32.
    pub value_heads: u32,
    /// Elements of one key or value head.
    pub head_dim: u32,
    /// Taps of the causal convolution; the cache keeps one fewer, in f32.
    pub conv_taps: u32,
}

/// Routed experts, each with a gate, an up and a down matrix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experts {
    /// Experts of one layer.
    pub count: u32,
    /// Experts that one token uses in one layer.
    pub per_token: u32,
    /// Inner width of one expert.
    pub width: u64,
}

/// A published weight file, identified by its digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightsPin {
    /// Whether this is the file that results are for unless another is named.
    #[serde(default)]
    pub default: bool,
    /// Owner and name of the repository.
    pub repository: String,
    /// Commit of that repository.
    #[serde(default)]
    pub revision: Option<String>,
    /// Why `revision` is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision_reason: Option<String>,
    /// File in the repository.
    pub file: String,
    /// Size of the file.
    pub bytes: u64,
    /// SHA-256 of the file, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Name of the rule that gave each tensor its quantised type.
    #[serde(default)]
    pub mix: Option<String>,
    /// Why `mix` is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mix_reason: Option<String>,
}

/// How large a model's synthetic twin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyntheticScale {
    /// A few layers of each kind, a few tens of megabytes: for tests on any machine.
    Tiny,
    /// The published model's own shapes.
    Full,
}

impl SyntheticScale {
    /// The word for it on the command line and in configurations.
    pub fn name(self) -> &'static str {
        match self {
            SyntheticScale::Tiny => "tiny",
            SyntheticScale::Full => "full",
        }
    }
}

/// A synthetic weight file that `weights synth` writes, identified by its digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyntheticPin {
    /// Full or tiny.
    pub scale: SyntheticScale,
    /// Name of the rule that gave each tensor its quantised type.
    pub mix: String,
    /// Seed of the generator.
    pub seed: u64,
    /// Size of the file.
    pub bytes: u64,
    /// SHA-256 of the file, 64 lower-case hexadecimal digits.
    pub sha256: String,
}

/// Derived figures of the default weights with an f16 KV cache.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stated {
    /// Sum of all tensors of the default file, without padding or metadata.
    pub tensor_bytes: u64,
    /// Weights read for one decoded token: everything but unused experts and unused embedding rows.
    pub weight_bytes_per_token: u64,
    /// KV cache that one more token of context adds, over the layers without a window.
    pub kv_bytes_per_token_f16: u64,
    /// KV cache of the layers with a window, once the window is full.
    pub kv_window_bytes_f16: u64,
    /// Recurrent and convolution state, f32; a token reads and writes all of it.
    pub recurrent_state_bytes: u64,
    /// One expert of the layers with the smaller down matrix.
    pub expert_min_bytes: u64,
    /// One expert of the layers with the larger down matrix.
    pub expert_max_bytes: u64,
    /// One expert if it were stored in f16.
    pub expert_f16_bytes: u64,
    /// Tensors, KV cache and state with 262,144 tokens of context, without work buffers.
    pub memory_at_262144_context_bytes: u64,
    /// Bytes moved for one decoded token after 2,048 tokens of context.
    pub token_bytes_at_2048_context: u64,
    /// Bytes moved for one decoded token after 32,768 tokens of context.
    pub token_bytes_at_32768_context: u64,
    /// Bytes moved for one decoded token after 262,144 tokens of context.
    pub token_bytes_at_262144_context: u64,
}

impl Model {
    /// The file that results are for unless another is named.
    pub fn default_weights(&self) -> Option<&WeightsPin> {
        self.weights.iter().find(|pin| pin.default)
    }
}
