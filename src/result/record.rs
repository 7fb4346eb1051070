//! A whole session, apart from machine and cases: identity, build, target, plan, telemetry.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CaseRecord, EngineRecord, MachineRecord, ProvenanceRecord, Reading, WeightsRecord};
use crate::build_info::ImageManifest;

/// Everything a session records. Integers stay below 2^53, floats are finite, times are RFC 3339 in UTC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// Which session, when, and how it ended.
    pub session: Session,
    /// What program measured.
    pub build: BuildRecord,
    /// Kernel images as loaded; empty on the CPU device.
    pub images: Vec<ImageRecord>,
    /// Engines that ran as processes of their own.
    #[serde(default)]
    pub engines: Vec<EngineRecord>,
    /// Weights files that engines were given.
    #[serde(default)]
    pub weights: Vec<WeightsRecord>,
    /// What it ran on.
    pub machine: MachineRecord,
    /// What it ran for.
    pub target: TargetRecord,
    /// What was to be run.
    pub plan: PlanRecord,
    /// Peaks measured in this session: the denominators of `percent_of_measured_peak`.
    pub peaks: Peaks,
    /// The cases in the order run.
    pub cases: Vec<CaseRecord>,
    /// Readings during the session.
    pub telemetry: TelemetryRecord,
    /// What a reader must know.
    pub warnings: Vec<Warning>,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionStatus {
    /// Every planned case is there.
    Complete,
    /// A signal came; the cases that had ended are there.
    Interrupted,
}

/// Identity and times of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Random, 32 hex digits.
    pub id: String,
    /// How it ended.
    pub status: SessionStatus,
    /// Begin, RFC 3339 UTC.
    pub started_at: String,
    /// End, RFC 3339 UTC.
    pub ended_at: String,
    /// Duration by `CLOCK_MONOTONIC_RAW`.
    pub duration_ns: u64,
    /// Seed of all inputs, 16 hex digits.
    pub seed: String,
    /// The command line without the program's name.
    pub arguments: Vec<String>,
    /// Whether UUID, bus id and host name were redacted.
    pub redacted: bool,
}

/// The harness as built.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BuildRecord {
    /// Package version.
    pub version: String,
    /// SHA-256 of the running executable.
    pub executable_sha256: Reading<String>,
    /// SHA-256 over the sources that determine the program.
    pub source_sha256: String,
    /// `rustc -V`.
    pub rustc: String,
    /// Target triple.
    pub target: String,
    /// Cargo profile.
    pub profile: String,
    /// Optimisation level.
    pub opt_level: String,
    /// Extra compiler flags.
    pub rustflags: Vec<String>,
    /// The commit.
    pub provenance: ProvenanceRecord,
}

/// Whose code an image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImageOwner {
    /// The harness's ruler.
    Harness,
    /// The system under test.
    Engine,
}

/// A kernel image as loaded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageRecord {
    /// Whose.
    pub owner: ImageOwner,
    /// SHA-256 of the bytes given to the driver.
    pub loaded_sha256: String,
    /// Architecture that the driver chose, e.g. `sm_90`.
    pub loaded_architecture: String,
    /// How it was built.
    pub manifest: ImageManifest,
}

/// A configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfigRecord {
    /// Its `name`.
    pub name: String,
    /// SHA-256 of its text.
    pub sha256: String,
}

/// What the session ran for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetRecord {
    /// The machine configuration that fits the device, or why there is none.
    pub machine: Reading<ConfigRecord>,
    /// Targets chosen.
    pub targets: Vec<ConfigRecord>,
    /// Models whose shapes were used.
    pub models: Vec<ConfigRecord>,
    /// Whether the machine is one of the suite's edge targets.
    pub edge_target: Reading<bool>,
    /// Memory bandwidth of the data sheet, in 10^9 B/s.
    pub data_sheet_bandwidth_gbps: Reading<f64>,
    /// Dense fp16 tensor peak of the data sheet (f32 accumulation), in 10^12 operations per second.
    pub data_sheet_fp16_tops: Reading<f64>,
    /// Dense int8 tensor peak of the data sheet, in 10^12 operations per second.
    pub data_sheet_int8_tops: Reading<f64>,
    /// Whether the figures may be compared with those of other machines; missing with the reason why not.
    pub comparable: Reading<bool>,
}

/// Size of the inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// The definition's sizes.
    Full,
    /// Reduced, so that the CPU device ends within a minute; not comparable.
    Small,
}

/// One planned case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedCase {
    /// The case's id.
    pub id: String,
    /// Bytes read and written by one operation.
    pub bytes_per_operation: u64,
    /// Device memory that it needs.
    pub memory_bytes: u64,
    /// Estimated time, modelled.
    pub estimate_ns: u64,
}

/// The plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanRecord {
    /// Families chosen.
    pub families: Vec<String>,
    /// Size of the inputs.
    pub scale: Scale,
    /// The cases in order.
    pub cases: Vec<PlannedCase>,
    /// Most device memory that any case needs.
    pub memory_bytes: u64,
    /// Sum of the estimates.
    pub estimate_ns: u64,
    /// SHA-256 of the line `<id> <bytes_per_operation>\n` of every case in order.
    pub sha256: String,
}

/// A peak and the case that reached it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Peak {
    /// The case.
    pub case: String,
    /// Its headline figure.
    pub value: f64,
}

/// Peaks measured in the session: the largest headline figure of the cases labelled `peak`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Peaks {
    /// Read bandwidth (label `peak: read`), in 10^9 B/s.
    pub read_gbps: Reading<Peak>,
    /// fp16 tensor throughput (label `peak: fp16`), in 10^12 operations per second.
    pub fp16_tops: Reading<Peak>,
    /// int8 tensor throughput (label `peak: int8`), in 10^12 operations per second.
    pub int8_tops: Reading<Peak>,
}

/// One quantity over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// E.g. `sm_clock`.
    pub quantity: String,
    /// E.g. `MHz`.
    pub unit: String,
    /// Who answered, e.g. `nvml`.
    pub source: String,
    /// One value per entry of `times_ns`, or why the quantity does not answer.
    pub samples: Reading<Vec<Option<u64>>>,
}

/// Readings during the session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TelemetryRecord {
    /// Nominal time between readings.
    pub interval_ns: u64,
    /// Times of the readings, in ns since the session began.
    pub times_ns: Vec<u64>,
    /// The quantities.
    pub series: Vec<Series>,
}

/// Something that a reader must know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Warning {
    /// Stable name, e.g. `gpu_shared`.
    pub code: String,
    /// What was seen.
    pub message: String,
    /// What to do.
    pub hint: String,
}
