//! The machine that a session ran on: host, GPU, driver.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Reading;

/// Host, GPU and driver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MachineRecord {
    /// The host.
    pub host: HostRecord,
    /// The GPU that was measured, or why there is none.
    pub gpu: Reading<GpuRecord>,
    /// The NVIDIA driver, or why there is none.
    pub driver: Reading<DriverRecord>,
}

/// Facts about the host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostRecord {
    /// Host name; missing when redacted.
    pub name: Reading<String>,
    /// Distribution, e.g. `Debian GNU/Linux 12 (bookworm)`.
    pub os: Reading<String>,
    /// Kernel release.
    pub kernel: String,
    /// Instruction set, e.g. `x86_64`.
    pub architecture: String,
    /// Processor model.
    pub cpu_model: Reading<String>,
    /// Logical processors this process may use.
    pub logical_cpus: u64,
    /// Largest processor cache, in bytes.
    pub cache_bytes: Reading<u64>,
    /// Physical memory, in bytes.
    pub memory_bytes: u64,
    /// Frequency governor of the first processor.
    pub governor: Reading<String>,
    /// Whether a hypervisor is present.
    pub virtualised: Reading<bool>,
    /// One-minute load average when the session began.
    pub load_average: Reading<f64>,
}

/// Form of an identity that may be redacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IdentityForm {
    /// As the driver gives it.
    Plain,
    /// SHA-256 of a random salt kept on the rig, followed by the identity: equal on one rig, meaningless elsewhere.
    SaltedSha256,
}

/// A GPU's UUID or its salted hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Which of the two.
    pub form: IdentityForm,
    /// `GPU-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`, or 64 hex digits.
    pub value: String,
}

/// Whether GPU and host share one memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemoryKind {
    /// Memory of its own.
    Discrete,
    /// The host's memory.
    Unified,
}

/// Facts about the GPU, from the CUDA driver unless said otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GpuRecord {
    /// CUDA device ordinal.
    pub ordinal: u64,
    /// Product name.
    pub name: String,
    /// UUID.
    pub uuid: Identity,
    /// PCI bus id; missing when redacted.
    pub pci_bus_id: Reading<String>,
    /// Compute capability, e.g. `9.0`.
    pub compute_capability: String,
    /// Streaming multiprocessors.
    pub sm_count: u64,
    /// Memory that the driver shows, in bytes.
    pub memory_bytes: u64,
    /// Memory free before the session, in bytes.
    pub memory_free_bytes: u64,
    /// Discrete or unified.
    pub memory_kind: MemoryKind,
    /// Width of the memory bus, in bits.
    pub memory_bus_bits: u64,
    /// Second-level cache, in bytes.
    pub l2_bytes: u64,
    /// Most shared memory that one block may ask for, in bytes.
    pub shared_memory_per_block_bytes: u64,
    /// Highest SM clock, in kHz.
    pub sm_clock_max_khz: u64,
    /// Highest memory clock, in kHz (CUDA attribute).
    pub memory_clock_max_khz: Reading<u64>,
    /// Error correction on (NVML).
    pub ecc: Reading<bool>,
    /// Multi-instance mode on (NVML).
    pub mig: Reading<bool>,
    /// Power limit in force, in mW (NVML).
    pub power_limit_mw: Reading<u64>,
    /// Default power limit, in mW (NVML).
    pub power_limit_default_mw: Reading<u64>,
    /// VBIOS version (NVML).
    pub vbios: Reading<String>,
    /// Persistence mode on (NVML).
    pub persistence: Reading<bool>,
    /// Other processes on the GPU when the session began (NVML).
    pub other_processes: Reading<u64>,
}

/// A library as loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SharedLibrary {
    /// Absolute path.
    pub path: String,
    /// SHA-256 of the file.
    pub sha256: String,
}

/// The NVIDIA driver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DriverRecord {
    /// Version, e.g. `580.159.04` (NVML).
    pub version: Reading<String>,
    /// Version of the kernel module (`/proc/driver/nvidia/version`).
    pub kernel_module_version: Reading<String>,
    /// CUDA version that the driver supports, e.g. `13.0`.
    pub cuda_version: String,
    /// NVML version.
    pub nvml_version: Reading<String>,
    /// libcuda as loaded.
    pub libcuda: Reading<SharedLibrary>,
    /// libnvidia-ml as loaded.
    pub libnvidia_ml: Reading<SharedLibrary>,
}
