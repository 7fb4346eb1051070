//! What the choice of cases and sizes depends on: known from a device, or from a machine configuration without one.

use crate::{
    config::Machine,
    device::cuda::Facts,
    result::{DeviceKind, HostRecord, Scale},
};

/// A device as the plan sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Platform {
    /// GPU or processor.
    pub device: DeviceKind,
    /// Full or small inputs.
    pub scale: Scale,
    /// Last-level cache in bytes, which cold inputs must exceed fourfold.
    pub cache_bytes: u64,
    /// Memory that is free, in bytes: what an engine may take.
    pub free_bytes: u64,
    /// Memory that the harness's own cases may take, in bytes.
    pub memory_bytes: u64,
    /// SMs or processors.
    pub units: u64,
    /// Read bandwidth assumed by time estimates, in 10^9 B/s. Modelled.
    pub read_gbps: f64,
}

/// Share of the free memory that cases may take.
const MEMORY_SHARE: f64 = 0.8;

/// Bandwidth assumed where nothing is known: two channels of DDR4-3200 at two fifths.
const UNKNOWN_GBPS: f64 = 20.0;

/// Cache assumed where the processor does not say.
const UNKNOWN_CACHE_BYTES: u64 = 32 << 20;

impl Platform {
    /// A GPU that is there.
    pub fn of_gpu(facts: &Facts, machine: Option<&Machine>) -> Self {
        // An unknown GPU: two transfers per clock and bit of the bus.
        let bus_gbps =
            f64::from(facts.memory_clock_max_khz) * 2e3 * f64::from(facts.memory_bus_bits)
                / 8.0
                / 1e9;
        Self {
            device: DeviceKind::Cuda,
            scale: Scale::Full,
            cache_bytes: facts.l2_bytes,
            free_bytes: facts.memory_free_bytes,
            memory_bytes: (facts.memory_free_bytes as f64 * MEMORY_SHARE) as u64,
            units: u64::from(facts.sm_count),
            read_gbps: machine.map_or(bus_gbps.max(UNKNOWN_GBPS), |machine| machine.bandwidth_gbps),
        }
    }

    /// A GPU that is only described.
    pub fn of_machine(machine: &Machine) -> Self {
        Self {
            device: DeviceKind::Cuda,
            scale: Scale::Full,
            cache_bytes: machine.l2_bytes,
            free_bytes: machine.memory_bytes,
            memory_bytes: (machine.memory_bytes as f64 * MEMORY_SHARE) as u64,
            units: u64::from(machine.sm_count),
            read_gbps: machine.bandwidth_gbps,
        }
    }

    /// The processor; `cache_bytes` is that of all last-level caches together, since every thread takes part.
    pub fn of_host(host: &HostRecord, cache_bytes: Option<u64>) -> Self {
        Self {
            device: DeviceKind::Cpu,
            scale: Scale::Small,
            cache_bytes: cache_bytes.unwrap_or(UNKNOWN_CACHE_BYTES),
            // An engine maps its weights, and says itself what does not fit.
            free_bytes: u64::MAX,
            memory_bytes: host.memory_bytes / 4,
            units: host.logical_cpus,
            read_gbps: UNKNOWN_GBPS,
        }
    }

    /// Bytes that cold inputs rotate over at least.
    pub fn cold_bytes(&self) -> u64 {
        4 * self.cache_bytes
    }
}
