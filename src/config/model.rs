//! A model: its hyper-parameters, its pinned weight files, and the derived figures that it states. Opens no file.

use serde::{Deserialize, Serialize};

use super::check::{self, Failure};
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
    #[serde(default)]
    pub final_logit_softcap: Option<f64>,
    /// Kinds of softmax attention, each with the layers that use it.
    pub attention: Vec<Attention>,
    /// Layers with a recurrent state in place of a KV cache.
    #[serde(default)]
    pub recurrent: Option<Recurrent>,
    /// Routed experts, in every layer.
    pub experts: Experts,
    /// Width of the expert that every token passes, gated by a sigmoid.
    #[serde(default)]
    pub shared_expert_width: Option<u64>,
    /// Width of the dense feed-forward block in parallel with the experts.
    #[serde(default)]
    pub dense_ffn_width: Option<u64>,
    /// Published files, exactly one of them the default.
    pub weights: Vec<WeightsPin>,
    /// Synthetic files of the same shapes, by scale, mix and seed.
    #[serde(default)]
    pub synthetic: Vec<SyntheticPin>,
    /// Derived figures of the default file, as stated; a test recomputes them.
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
    #[serde(default)]
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

/// How large a synthetic file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyntheticScale {
    /// The model's own shapes.
    Full,
    /// The same structure with small shapes, for tests.
    Tiny,
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

    /// The synthetic file of a scale and mix, if its digest has been recorded.
    pub fn synthetic_weights(
        &self,
        scale: SyntheticScale,
        mix: &str,
        seed: u64,
    ) -> Option<&SyntheticPin> {
        self.synthetic
            .iter()
            .find(|pin| pin.scale == scale && pin.mix == mix && pin.seed == seed)
    }
}

impl Model {
    pub(super) fn check(&self) -> Result<(), Failure> {
        check::name("name", &self.name)?;
        check::text("title", &self.title)?;
        check::text("publisher_repository", &self.publisher_repository)?;
        check::name("architecture", &self.architecture)?;
        for (path, value) in [
            ("parameter_count", self.parameter_count),
            ("parameters_per_token", self.parameters_per_token),
            ("layer_count", u64::from(self.layer_count)),
            ("hidden_size", self.hidden_size),
            ("vocabulary_size", self.vocabulary_size),
            ("context_max_tokens", self.context_max_tokens),
        ] {
            check::count(path, value)?;
        }
        for (path, value) in [
            ("shared_expert_width", self.shared_expert_width),
            ("dense_ffn_width", self.dense_ffn_width),
        ] {
            if let Some(value) = value {
                check::count(path, value)?;
            }
        }
        check::quantity("rms_norm_epsilon", self.rms_norm_epsilon)?;
        if let Some(cap) = self.final_logit_softcap {
            check::quantity("final_logit_softcap", cap)?;
        }
        check::not_empty("attention", &self.attention)?;
        for (i, attention) in self.attention.iter().enumerate() {
            attention.check(&format!("attention[{i}]"))?;
        }
        if let Some(recurrent) = &self.recurrent {
            recurrent.check()?;
        }
        self.check_layers()?;
        self.experts.check()?;
        self.check_weights()?;
        self.stated.check()
    }

    /// Every layer is listed once: under one kind of attention or as recurrent.
    fn check_layers(&self) -> Result<(), Failure> {
        let mut lists: Vec<(String, &[u32])> = self
            .attention
            .iter()
            .enumerate()
            .map(|(i, kind)| (format!("attention[{i}].layers"), kind.layers.as_slice()))
            .collect();
        if let Some(recurrent) = &self.recurrent {
            lists.push(("recurrent.layers".to_owned(), &recurrent.layers));
        }
        let mut seen = std::collections::BTreeSet::new();
        for (path, layers) in &lists {
            check::not_empty(path, layers)?;
            for (i, layer) in layers.iter().enumerate() {
                let item = format!("{path}[{i}]");
                check::at_most(&item, *layer, self.layer_count - 1, "the last layer")?;
                if !seen.insert(*layer) {
                    return Err(Failure::new(item, format!("layer {layer} is listed twice")));
                }
            }
        }
        match (0..self.layer_count).find(|layer| !seen.contains(layer)) {
            Some(layer) => Err(Failure::new(
                "layer_count",
                format!("layer {layer} is listed under no kind of attention"),
            )
            .hint("list every layer once, under `attention` or `recurrent`")),
            None => Ok(()),
        }
    }

    fn check_weights(&self) -> Result<(), Failure> {
        check::not_empty("weights", &self.weights)?;
        for (i, pin) in self.weights.iter().enumerate() {
            pin.check(&format!("weights[{i}]"))?;
        }
        let defaults: Vec<usize> = (0..self.weights.len())
            .filter(|i| self.weights[*i].default)
            .collect();
        if defaults.len() != 1 {
            let path = match defaults.get(1) {
                Some(second) => format!("weights[{second}].default"),
                None => "weights".to_owned(),
            };
            let message = format!("expected one default file, found {}", defaults.len());
            return Err(Failure::new(path, message).hint("mark one file with `default: true`"));
        }
        for (i, pin) in self.synthetic.iter().enumerate() {
            let path = format!("synthetic[{i}]");
            check::name(&format!("{path}.mix"), &pin.mix)?;
            check::count(&format!("{path}.bytes"), pin.bytes)?;
            check::sha256(&format!("{path}.sha256"), &pin.sha256)?;
        }
        Ok(())
    }
}

impl Attention {
    fn check(&self, path: &str) -> Result<(), Failure> {
        check::name(&format!("{path}.name"), &self.name)?;
        for (key, value) in [
            ("query_heads", self.query_heads),
            ("kv_heads", self.kv_heads),
            ("head_dim", self.head_dim),
            ("rotary_dim", self.rotary_dim),
        ] {
            check::count(&format!("{path}.{key}"), value)?;
        }
        if !self.query_heads.is_multiple_of(self.kv_heads) {
            return Err(Failure::new(
                format!("{path}.kv_heads"),
                format!(
                    "{} query heads cannot share {} kv heads evenly",
                    self.query_heads, self.kv_heads
                ),
            ));
        }
        check::at_most(
            &format!("{path}.rotary_dim"),
            self.rotary_dim,
            self.head_dim,
            "the head",
        )?;
        if let Some(window) = self.window_tokens {
            check::count(&format!("{path}.window_tokens"), window)?;
        }
        check::quantity(&format!("{path}.rope_theta"), self.rope_theta)?;
        check::quantity(&format!("{path}.softmax_scale"), self.softmax_scale)
    }
}

impl Recurrent {
    fn check(&self) -> Result<(), Failure> {
        for (key, value) in [
            ("key_heads", self.key_heads),
            ("value_heads", self.value_heads),
            ("head_dim", self.head_dim),
            ("conv_taps", self.conv_taps),
        ] {
            check::count(&format!("recurrent.{key}"), value)?;
        }
        Ok(())
    }
}

impl Experts {
    fn check(&self) -> Result<(), Failure> {
        check::count("experts.count", self.count)?;
        check::count("experts.per_token", self.per_token)?;
        check::count("experts.width", self.width)?;
        check::at_most(
            "experts.per_token",
            self.per_token,
            self.count,
            "all experts of a layer",
        )
    }
}

impl WeightsPin {
    fn check(&self, path: &str) -> Result<(), Failure> {
        check::text(&format!("{path}.repository"), &self.repository)?;
        check::text(&format!("{path}.file"), &self.file)?;
        check::count(&format!("{path}.bytes"), self.bytes)?;
        check::sha256(&format!("{path}.sha256"), &self.sha256)?;
        check::value_or_reason(
            &format!("{path}.revision"),
            self.revision.is_some(),
            self.revision_reason.as_deref(),
        )?;
        if let Some(revision) = &self.revision {
            check::git_commit(&format!("{path}.revision"), revision)?;
        }
        check::value_or_reason(
            &format!("{path}.mix"),
            self.mix.is_some(),
            self.mix_reason.as_deref(),
        )?;
        match &self.mix {
            Some(mix) => check::name(&format!("{path}.mix"), mix),
            None => Ok(()),
        }
    }
}

impl Stated {
    fn check(&self) -> Result<(), Failure> {
        // A model may have no windowed layers or no recurrent state: those two may be 0.
        for (key, value) in [
            ("tensor_bytes", self.tensor_bytes),
            ("weight_bytes_per_token", self.weight_bytes_per_token),
            ("kv_bytes_per_token_f16", self.kv_bytes_per_token_f16),
            ("expert_min_bytes", self.expert_min_bytes),
            ("expert_max_bytes", self.expert_max_bytes),
            ("expert_f16_bytes", self.expert_f16_bytes),
            (
                "memory_at_262144_context_bytes",
                self.memory_at_262144_context_bytes,
            ),
            (
                "token_bytes_at_2048_context",
                self.token_bytes_at_2048_context,
            ),
            (
                "token_bytes_at_32768_context",
                self.token_bytes_at_32768_context,
            ),
            (
                "token_bytes_at_262144_context",
                self.token_bytes_at_262144_context,
            ),
        ] {
            check::count(&format!("stated.{key}"), value)?;
        }
        Ok(())
    }
}
