//! A machine: what its data sheet and its driver say about it. Knows no model and no measurement of today.

use serde::{Deserialize, Serialize};

use super::check::{self, Failure};
use super::source::ConfigSource;

/// The architectures that kernels are compiled for.
pub const SM_TARGETS: [&str; 4] = ["sm_90", "sm_110", "sm_120", "sm_121"];

/// Whether the GPU has memory of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryKind {
    /// GDDR or HBM beside the GPU; weights are copied to it.
    Discrete,
    /// One LPDDR pool for CPU and GPU; its bandwidth is shared, and free memory depends on the page cache.
    Unified,
}

/// One machine file. A figure that nobody could confirm is `None` with a reason in the field beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Name by which targets and `--target` refer to it.
    pub name: String,
    /// One line for tables.
    pub description: String,
    /// False for a machine that serves measurement only and is no product to optimise for.
    pub edge_target: bool,
    /// CUDA compute capability, major and minor.
    pub compute_capability: (u32, u32),
    /// The kernel image that runs there, one of [`SM_TARGETS`].
    pub sm_target: String,
    /// The device is this machine if its name ends with one of these words and its compute capability is the same.
    pub device_name_ends_with: Vec<String>,
    /// Streaming multiprocessors.
    pub sm_count: u32,
    /// Highest SM clock that the driver admits.
    #[serde(default)]
    pub sm_clock_max_mhz: Option<f64>,
    /// Why `sm_clock_max_mhz` is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sm_clock_max_mhz_reason: Option<String>,
    /// Discrete or unified memory.
    pub memory_kind: MemoryKind,
    /// Device memory as the driver shows it to a program, before anything is allocated.
    pub memory_bytes: u64,
    /// Memory bandwidth of the data sheet, 10^9 B/s.
    pub bandwidth_gbps: f64,
    /// L2 cache.
    pub l2_bytes: u64,
    /// Shared memory of one SM.
    pub shared_memory_per_sm_bytes: u64,
    /// Shared memory that one block can get when it opts in.
    pub shared_memory_per_block_bytes: u64,
    /// Dense f16/bf16 tensor-core peak with f32 accumulation.
    #[serde(default)]
    pub tensor_f16_tflops: Option<f64>,
    /// Why `tensor_f16_tflops` is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tensor_f16_tflops_reason: Option<String>,
    /// Dense int8 tensor-core peak with i32 accumulation.
    #[serde(default)]
    pub tensor_int8_tops: Option<f64>,
    /// Why `tensor_int8_tops` is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tensor_int8_tops_reason: Option<String>,
    /// Default board power limit.
    #[serde(default)]
    pub power_limit_watts: Option<f64>,
    /// Why `power_limit_watts` is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_limit_watts_reason: Option<String>,
    /// What this suite's calibration kernels have reached on such a machine; absent where nobody has measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<MeasuredConstants>,
    /// Where this was read from.
    #[serde(skip_deserializing)]
    pub source: ConfigSource,
}

/// Constants measured once on a machine of this kind. A run measures its own; these say what to expect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasuredConstants {
    /// Who measured, on what, with what driver.
    pub source: String,
    /// Read bandwidth of the best kernel.
    pub read_gbps: f64,
    /// `cudaMemcpy` device to device, read plus written bytes.
    pub device_copy_gbps: f64,
    /// Write bandwidth of the best kernel.
    pub write_gbps: f64,
    /// Dependent load that misses every cache.
    pub dram_latency_ns: f64,
    /// Dependent load that hits L2.
    pub l2_latency_ns: f64,
    /// Edge between two dependent stages of a CUDA graph, each reading and writing a word per thread.
    pub graph_edge_ns: f64,
    /// The same edge with programmatic dependent launch.
    pub pdl_edge_ns: f64,
    /// The same edge through a grid-wide barrier of a persistent kernel, one counter.
    pub grid_barrier_ns: f64,
    /// `mma.sync` f16 with f32 accumulation.
    pub tensor_f16_tflops: f64,
    /// `mma.sync` int8.
    pub tensor_int8_tops: f64,
}

impl Machine {
    /// Whether a device of this name and compute capability is this machine.
    ///
    /// The end of the name is compared, at a word boundary: "NVIDIA GeForce RTX 5090" is an RTX 5090 and
    /// "NVIDIA GeForce RTX 5090 Laptop GPU", a different chip, is not.
    pub fn is_device(&self, device_name: &str, compute_capability: (u32, u32)) -> bool {
        let name = device_name.trim();
        self.compute_capability == compute_capability
            && self.device_name_ends_with.iter().any(|end| {
                name.strip_suffix(end.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with(' '))
            })
    }

    pub(super) fn check(&self) -> Result<(), Failure> {
        check::name("name", &self.name)?;
        check::text("description", &self.description)?;
        let (major, minor) = self.compute_capability;
        check::one_of("sm_target", &self.sm_target, &SM_TARGETS)?;
        if self.sm_target != format!("sm_{major}{minor}") {
            return Err(Failure::new(
                "sm_target",
                format!(
                    "`{}` does not belong to compute capability {major}.{minor}",
                    self.sm_target
                ),
            )
            .hint(format!("expected `sm_{major}{minor}`")));
        }
        check::not_empty("device_name_ends_with", &self.device_name_ends_with)?;
        for (i, end) in self.device_name_ends_with.iter().enumerate() {
            check::text(&format!("device_name_ends_with[{i}]"), end)?;
        }
        for (key, value) in [
            ("sm_count", u64::from(self.sm_count)),
            ("memory_bytes", self.memory_bytes),
            ("l2_bytes", self.l2_bytes),
            (
                "shared_memory_per_sm_bytes",
                self.shared_memory_per_sm_bytes,
            ),
            (
                "shared_memory_per_block_bytes",
                self.shared_memory_per_block_bytes,
            ),
        ] {
            check::count(key, value)?;
        }
        check::quantity("bandwidth_gbps", self.bandwidth_gbps)?;
        for (key, value, reason) in [
            (
                "sm_clock_max_mhz",
                self.sm_clock_max_mhz,
                &self.sm_clock_max_mhz_reason,
            ),
            (
                "tensor_f16_tflops",
                self.tensor_f16_tflops,
                &self.tensor_f16_tflops_reason,
            ),
            (
                "tensor_int8_tops",
                self.tensor_int8_tops,
                &self.tensor_int8_tops_reason,
            ),
            (
                "power_limit_watts",
                self.power_limit_watts,
                &self.power_limit_watts_reason,
            ),
        ] {
            check::value_or_reason(key, value.is_some(), reason.as_deref())?;
            if let Some(value) = value {
                check::quantity(key, value)?;
            }
        }
        match &self.measured {
            Some(measured) => measured.check(),
            None => Ok(()),
        }
    }
}

impl MeasuredConstants {
    fn check(&self) -> Result<(), Failure> {
        check::text("measured.source", &self.source)?;
        for (key, value) in [
            ("read_gbps", self.read_gbps),
            ("device_copy_gbps", self.device_copy_gbps),
            ("write_gbps", self.write_gbps),
            ("dram_latency_ns", self.dram_latency_ns),
            ("l2_latency_ns", self.l2_latency_ns),
            ("graph_edge_ns", self.graph_edge_ns),
            ("pdl_edge_ns", self.pdl_edge_ns),
            ("grid_barrier_ns", self.grid_barrier_ns),
            ("tensor_f16_tflops", self.tensor_f16_tflops),
            ("tensor_int8_tops", self.tensor_int8_tops),
        ] {
            check::quantity(&format!("measured.{key}"), value)?;
        }
        Ok(())
    }
}
