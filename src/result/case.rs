//! One measured case: what was run, how it was timed and checked, the raw samples, and what follows from them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{GenerationRecord, Reading};

/// Where a case ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// An NVIDIA GPU through the CUDA driver.
    Cuda,
    /// The host's processor. Its figures are not comparable with a GPU's.
    Cpu,
}

/// What a case measures, which decides its headline figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CaseKind {
    /// Bytes moved per second; headline `bandwidth_gbps`.
    Bandwidth,
    /// Time of one dependent operation; headline `per_operation_ns`.
    Latency,
    /// Arithmetic per second; headline `throughput_tops`.
    Throughput,
    /// Tokens of a whole model, one operation each; headline `generation.derived.decode_ns_per_token`.
    Generation,
}

/// How a case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CaseStatus {
    /// Timed, and its outputs were right.
    Measured,
    /// Not run; `reason` says why.
    Skipped,
    /// Its outputs were wrong; its times count for nothing.
    Wrong,
    /// The device refused, or no sample was fit to count.
    Failed,
    /// The engine under test crashed, hung, or broke its protocol.
    Invalid,
    /// The machine or the operator kept it from being measured; it says nothing about the engine.
    InfraError,
}

/// One case of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CaseRecord {
    /// Stable name: family first, then what varies, e.g. `memory/kv_read/gemma4_global/32768`.
    pub id: String,
    /// Benchmark family: the first part of `id`.
    pub family: String,
    /// What is measured.
    pub kind: CaseKind,
    /// Where it ran.
    pub device: DeviceKind,
    /// Integer parameters: bytes, tokens, strides, counts; the unit is in the key.
    pub sizes: BTreeMap<String, u64>,
    /// Named parameters: layouts, types, launch forms.
    pub labels: BTreeMap<String, String>,
    /// How it ended.
    pub status: CaseStatus,
    /// Why it was not measured; null when it was.
    #[serde(deserialize_with = "Option::deserialize")]
    pub reason: Option<String>,
    /// Begin of the case (inputs, warm-up, timing, check), in ns since the session began.
    pub started_ns: u64,
    /// End of the case, in ns since the session began.
    pub ended_ns: u64,
    /// The measurement; null unless measured.
    #[serde(deserialize_with = "Option::deserialize")]
    pub measurement: Option<Measurement>,
    /// What was generated; null but for a measured case of kind `generation`.
    #[serde(default)]
    pub generation: Option<GenerationRecord>,
}

/// The clock of the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Timer {
    /// CUDA events around the work on its stream.
    CudaEvent,
    /// `CLOCK_MONOTONIC_RAW` of the harness.
    MonotonicRaw,
}

/// State of the caches when a timed operation starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cache {
    /// Inputs rotate over at least four times the last-level cache.
    Cold,
    /// The same inputs again and again; what fits in a cache comes from there.
    Warm,
    /// The case touches next to no memory.
    NotApplicable,
}

/// Algorithmic work of one operation: what it must move and compute, not what a device happened to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// Bytes that must be read.
    pub bytes_read: u64,
    /// Bytes that must be written.
    pub bytes_written: u64,
    /// Arithmetic operations (a fused multiply-add counts two).
    pub operations: u64,
}

/// How inputs rotate between timed operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// Distinct input sets.
    pub buffers: u64,
    /// Bytes of one set.
    pub bytes_per_buffer: u64,
    /// Bytes of all sets: `buffers * bytes_per_buffer`.
    pub total_bytes: u64,
    /// Last-level cache that the rotation is held against.
    pub cache_bytes: u64,
}

/// Where inputs came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Inputs {
    /// Generator and its version.
    pub generator: String,
    /// Seed of this case's inputs, 16 hex digits: derived from the session seed and the case id.
    pub seed: String,
}

/// Why warm-up ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WarmupReason {
    /// The rolling median stood still.
    Stable,
    /// The time limit came first.
    TimeLimit,
    /// A fixed number of runs was planned.
    Fixed,
}

/// Untimed runs before the first sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Warmup {
    /// Runs.
    pub samples: u64,
    /// Their wall time.
    pub duration_ns: u64,
    /// Why it ended.
    pub reason: WarmupReason,
}

/// When sampling stops.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StoppingRule {
    /// Converged when the robust standard error of the median (1.2533 * 1.4826 * MAD / sqrt(n)) over the median is at
    /// most this.
    pub relative_error: f64,
    /// Never fewer samples than this.
    pub min_samples: u64,
    /// Never more samples than this.
    pub max_samples: u64,
    /// Never less timed work than this.
    pub min_time_ns: u64,
    /// No further sample once the sampling loop took this long.
    pub max_time_ns: u64,
}

/// Why sampling stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoppingReason {
    /// The rule's error was reached.
    Converged,
    /// `max_samples` came first.
    SampleLimit,
    /// `max_time_ns` came first.
    TimeLimit,
    /// A fixed number of samples was planned.
    Fixed,
}

/// The rule and what ended the sampling.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stopping {
    /// The rule.
    pub rule: StoppingRule,
    /// What ended the sampling.
    pub reason: StoppingReason,
    /// Wall time of the sampling loop, samples and what lies between them.
    pub duration_ns: u64,
}

/// Why a sample does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DiscardReason {
    /// The SM clock was far below its value in the other samples.
    ClockDrop,
    /// The driver reported a thermal or power-brake slowdown.
    Throttled,
    /// The queue ran dry, so that the host was timed.
    HostBound,
}

/// A sample that was taken and does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Discard {
    /// How many kept samples came before it.
    pub after_samples: u64,
    /// Its time.
    pub duration_ns: u64,
    /// Why.
    pub reason: DiscardReason,
}

/// How outputs are compared with the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// Every output word equals the reference's; `max_error` is the number of words that differ.
    Exact,
    /// `max_error` is the largest |output - reference| over the largest |reference|.
    Relative,
}

/// The check of the outputs of the timed operations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// What the outputs must equal, in words.
    pub reference: String,
    /// How they are compared.
    pub comparison: Comparison,
    /// Largest `max_error` that passes.
    pub tolerance: f64,
    /// Whether outputs were overwritten with a poison pattern before every sample.
    pub poisoned: bool,
    /// Output words that were compared, over all samples.
    pub outputs_checked: u64,
    /// Largest error found.
    pub max_error: f64,
    /// SHA-256 of the reference outputs (little-endian words in order).
    pub expected_sha256: String,
    /// SHA-256 of the outputs of the last sample, in the same form.
    pub observed_sha256: String,
}

/// What follows from the samples; `verify` recomputes every field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Derived {
    /// Number of samples.
    pub samples: u64,
    /// Smallest sample.
    pub min_ns: f64,
    /// Median sample.
    pub median_ns: f64,
    /// Largest sample.
    pub max_ns: f64,
    /// Median absolute deviation from the median.
    pub mad_ns: f64,
    /// 50th percentile of the samples divided by `operations_per_sample`.
    pub p50_ns: f64,
    /// 90th percentile, per operation.
    pub p90_ns: f64,
    /// 99th percentile, per operation.
    pub p99_ns: f64,
    /// Lower end of the 95 % bootstrap interval of the median sample.
    pub median_low_ns: f64,
    /// Upper end of the 95 % bootstrap interval of the median sample.
    pub median_high_ns: f64,
    /// `median_ns / operations_per_sample`.
    pub per_operation_ns: f64,
    /// (bytes read + bytes written) / `per_operation_ns`, in 10^9 B/s.
    pub bandwidth_gbps: Reading<f64>,
    /// Operations / `per_operation_ns`, in 10^12 per second.
    pub throughput_tops: Reading<f64>,
    /// Headline figure over the session's measured peak (`peaks`), in per cent.
    pub percent_of_measured_peak: Reading<f64>,
    /// Headline figure over the machine's data sheet (`target`), in per cent.
    pub percent_of_data_sheet: Reading<f64>,
}

/// How a case was timed and checked, and its samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// The clock.
    pub timer: Timer,
    /// State of the caches.
    pub cache: Cache,
    /// Operations (launches, hops, edges) in one sample.
    pub operations_per_sample: u64,
    /// Work of one operation.
    pub work: Work,
    /// Rotation of the inputs.
    pub rotation: Rotation,
    /// The inputs' origin.
    pub inputs: Inputs,
    /// Warm-up.
    pub warmup: Warmup,
    /// Stopping.
    pub stopping: Stopping,
    /// Samples that do not count.
    pub discards: Vec<Discard>,
    /// The samples in the order taken: time of `operations_per_sample` operations, in ns.
    pub samples_ns: Vec<u64>,
    /// The outputs' check.
    pub check: Check,
    /// What follows.
    pub derived: Derived,
}
