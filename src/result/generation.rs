//! End to end: the weights, the engine under test, and what it generated, with the times at which it arrived.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CaseRecord, Reading, ResourceFigures, StagesRecord};

/// A weights file that the engine was given, as the harness read it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeightsRecord {
    /// `name` of the model's configuration.
    pub model: String,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Which pin of the configuration that is; missing where it is none of them.
    pub pin: Reading<WeightsPinRecord>,
    /// Tokens of the vocabulary.
    pub vocabulary: u64,
    /// Layers, each with a router.
    pub layers: u64,
    /// Routed experts of a layer.
    pub experts: u64,
    /// Routed experts that a token uses.
    pub experts_used: u64,
    /// SHA-256 of the line `<name> <type> <bytes> <sha256>\n` of every tensor in the order of the file.
    pub tensors_sha256: String,
    /// The tensors in the order of the file.
    pub tensors: Vec<TensorRecord>,
}

/// A pinned file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeightsPinRecord {
    /// Where its values are from.
    pub origin: WeightsOrigin,
    /// A published file's name, or a synthetic one's scale.
    pub name: String,
}

/// Where the values of a weights file are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WeightsOrigin {
    /// The model's publisher.
    Published,
    /// Made by `sparkbench weights synth`: right for speed and bytes, without meaning.
    Synthetic,
}

/// One tensor of a weights file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TensorRecord {
    /// Its name.
    pub name: String,
    /// Its type, as `inspect` names it.
    pub r#type: String,
    /// Its bytes, without padding.
    pub bytes: u64,
    /// SHA-256 of them.
    pub sha256: String,
}

/// The engine under test, as the harness started it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EngineRecord {
    /// How it is spoken to: `native` (docs/engine-protocol.md) or `llama_server`.
    pub driver: String,
    /// What it calls itself.
    pub name: String,
    /// SHA-256 of its executable.
    pub program_sha256: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its whole environment.
    pub environment: BTreeMap<String, String>,
}

/// What an end-to-end case asked of the engine, and what came back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GenerationRecord {
    /// `name` of the model's configuration.
    pub model: String,
    /// SHA-256 of the weights file, one of `weights`.
    pub weights_sha256: String,
    /// The engine, one of `engines`, by SHA-256 of its executable.
    pub engine_sha256: String,
    /// Whence the prompts are; every run has one of its own, so that nothing kept from an earlier run helps a later one.
    pub prompt: PromptRecord,
    /// Whether the case is short enough to be replayed in full on a CPU.
    pub witness: bool,
    /// The timed runs, in order.
    pub runs: Vec<GenerationRun>,
    /// What follows from them.
    pub derived: GenerationFigures,
    /// What the case took of the GPU beside time. Older results have no such field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceFigures>,
    /// The stages of a token half way through the new ones; absent where nobody asked for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stages: Option<Reading<StagesRecord>>,
}

/// From what prompts can be made again: that of run i from the case's seed plus i.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PromptRecord {
    /// Name and version of what made the ids: `sparkbench.text/1`, `sparkbench.corpus/1`, `sparkbench.plain_ids/1`.
    pub generator: String,
    /// SHA-256 of the corpus that the prompts are windows of.
    pub corpus_sha256: Reading<String>,
    /// Number of ids of each, all of which were in the context before the first token was chosen.
    pub tokens: u64,
}

impl CaseRecord {
    /// Tokens of context that the engine made up in front of the prompt; 0 where the prompt is all of it.
    pub fn filled_tokens(&self) -> u64 {
        self.sizes.get("filled_tokens").copied().unwrap_or(0)
    }

    /// Tokens in the context half way through the new ones: what bytes per token and stages are of.
    pub fn half_way_tokens(&self) -> u64 {
        let size = |name| self.sizes.get(name).copied().unwrap_or(0);
        let context = size("filled_tokens").saturating_add(size("prompt_tokens"));
        context.saturating_add(size("new_tokens") / 2)
    }
}

/// Every so many forward passes, and with the last, the experts are asked for.
const TRACE_STRIDE: u64 = 8;

/// The steps of a generation of `tokens` tokens whose experts are recorded, counted from 0.
pub fn traced_steps(tokens: u64) -> impl Iterator<Item = u64> {
    (0..tokens).filter(move |step| step % TRACE_STRIDE == 0 || step + 1 == tokens)
}

/// The experts that one token was sent to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoutingRecord {
    /// Position of the token that went in, counted from 0.
    pub position: u64,
    /// Expert ids by layer, each list by falling router probability.
    pub experts: Vec<Vec<u16>>,
}

/// One timed run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GenerationRun {
    /// The prompt's ids; missing where they are many.
    pub prompt_ids: Reading<Vec<u32>>,
    /// Digest of the prompt's ids: SHA-256 of the ids in decimal with one space between.
    pub prompt_sha256: String,
    /// The tokens chosen greedily behind the prompt.
    pub ids: Vec<u32>,
    /// Digest of `ids`, of the same form.
    pub ids_sha256: String,
    /// Experts of sampled forward passes.
    pub routing: Vec<RoutingRecord>,
    /// When the prompt was sent, in ns since the session began.
    pub sent_ns: u64,
    /// When each token had arrived in the harness, in ns since the prompt was sent.
    pub token_ns: Vec<u64>,
    /// What the engine says of itself. Never scored.
    pub self_reported: BTreeMap<String, String>,
    /// What was odd about the run: names and what was seen.
    pub findings: Vec<FindingRecord>,
}

/// Something odd about a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FindingRecord {
    /// Stable name, e.g. `burst`.
    pub name: String,
    /// What was seen.
    pub message: String,
}

/// What follows from the runs of a generation; `verify` recomputes every field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GenerationFigures {
    /// Time to first token: median over the runs.
    pub ttft_ns: f64,
    /// Prompt tokens over `ttft_ns`, per second.
    pub prefill_tokens_per_s: f64,
    /// Time from the first token to the last over the tokens in between: median over the runs. The primary figure.
    pub decode_ns_per_token: Reading<f64>,
    /// Its inverse, per second.
    pub decode_tokens_per_s: Reading<f64>,
    /// Time between tokens, over all runs: 50th percentile.
    pub tbt_p50_ns: Reading<f64>,
    /// 90th percentile.
    pub tbt_p90_ns: Reading<f64>,
    /// 99th percentile.
    pub tbt_p99_ns: Reading<f64>,
    /// Of each layer, how many experts the sampled tokens used.
    pub unique_experts: Vec<u64>,
    /// Of each expert, how many of the sampled tokens used it, over all layers.
    pub expert_uses: Vec<u64>,
}
