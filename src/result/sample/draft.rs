//! A case while it is being invented: declared step by step, then given samples and times that fit.

use std::collections::BTreeMap;

use crate::build_info::sha256_hex;
use crate::result::*;

/// Seed of the sessions.
pub(super) const SEED: &str = "5eed5eed5eed5eed";

/// A case while it is being invented.
pub(super) struct Draft {
    case: CaseRecord,
    work: Work,
    cache: Cache,
    cache_bytes: u64,
    bytes_per_buffer: u64,
    buffers: Option<u64>,
    comparison: Comparison,
    operations: u64,
    typical_ns: u64,
    discards: Vec<Discard>,
}

impl Draft {
    pub(super) fn new(id: &str, kind: CaseKind, device: DeviceKind, cache_bytes: u64) -> Self {
        Self {
            case: CaseRecord {
                id: id.to_owned(),
                family: "memory".to_owned(),
                kind,
                device,
                sizes: BTreeMap::new(),
                labels: BTreeMap::new(),
                status: CaseStatus::Measured,
                reason: None,
                started_ns: 0,
                ended_ns: 0,
                measurement: None,
                generation: None,
            },
            work: Work {
                bytes_read: 0,
                bytes_written: 0,
                operations: 0,
            },
            cache: Cache::Cold,
            cache_bytes,
            bytes_per_buffer: 4096,
            buffers: None,
            comparison: Comparison::Exact,
            operations: 1,
            typical_ns: 1000,
            discards: vec![],
        }
    }

    pub(super) fn label(mut self, key: &str, value: &str) -> Self {
        self.case.labels.insert(key.to_owned(), value.to_owned());
        self
    }

    pub(super) fn size(mut self, key: &str, value: u64) -> Self {
        self.case.sizes.insert(key.to_owned(), value);
        self
    }

    pub(super) fn work(mut self, bytes_read: u64, bytes_written: u64, operations: u64) -> Self {
        self.work = Work {
            bytes_read,
            bytes_written,
            operations,
        };
        self.buffer((bytes_read + bytes_written).max(4096))
    }

    pub(super) fn buffer(mut self, bytes: u64) -> Self {
        self.bytes_per_buffer = bytes;
        self
    }

    pub(super) fn buffers(mut self, buffers: u64) -> Self {
        self.buffers = Some(buffers);
        self
    }

    pub(super) fn relative(mut self) -> Self {
        self.comparison = Comparison::Relative;
        self
    }

    pub(super) fn cache(mut self, cache: Cache) -> Self {
        self.cache = cache;
        self
    }

    pub(super) fn time(mut self, typical_ns: u64, operations: u64) -> Self {
        self.typical_ns = typical_ns;
        self.operations = operations;
        self
    }

    pub(super) fn discarding(mut self) -> Self {
        self.discards.push(Discard {
            after_samples: 17,
            duration_ns: 2 * self.typical_ns,
            reason: DiscardReason::ClockDrop,
        });
        self
    }

    /// The case, begun at `clock` (ns since the session began), which moves to its end.
    pub(super) fn record(mut self, clock: &mut u64) -> CaseRecord {
        let samples_ns: Vec<u64> = (0..20)
            .map(|i| self.typical_ns + (i * 37 % 23) * self.typical_ns / 20_000)
            .collect();
        let timed: u64 = samples_ns.iter().sum();
        let discards = std::mem::take(&mut self.discards);
        let outputs_checked = (20 + discards.len() as u64) * 132;
        let discarded: u64 = discards.iter().map(|d| d.duration_ns).sum();
        let buffers = match self.cache {
            Cache::Cold => (4 * self.cache_bytes).div_ceil(self.bytes_per_buffer),
            Cache::Warm | Cache::NotApplicable => 1,
        };
        let buffers = self.buffers.unwrap_or(buffers);
        let error = match self.comparison {
            Comparison::Exact => 0.0,
            Comparison::Relative => 1e-6,
        };
        let (warmup_ns, sampling_ns) = (
            30 * self.typical_ns + 5_000_000,
            timed + discarded + 2_000_000,
        );
        self.case.started_ns = *clock;
        self.case.ended_ns = *clock + warmup_ns + sampling_ns + 40_000_000;
        *clock = self.case.ended_ns + 1_000_000;
        let seed = case_seed(SEED, &self.case.id);
        let outputs = sha256_hex(self.case.id.as_bytes());
        self.case.measurement = Some(Measurement {
            timer: match self.case.device {
                DeviceKind::Cuda => Timer::CudaEvent,
                DeviceKind::Cpu => Timer::MonotonicRaw,
            },
            cache: self.cache,
            operations_per_sample: self.operations,
            work: self.work,
            rotation: Rotation {
                buffers,
                bytes_per_buffer: self.bytes_per_buffer,
                total_bytes: buffers * self.bytes_per_buffer,
                cache_bytes: self.cache_bytes,
            },
            inputs: Inputs {
                generator: "splitmix64/1".to_owned(),
                seed,
            },
            warmup: Warmup {
                samples: 20,
                duration_ns: warmup_ns,
                reason: WarmupReason::Stable,
            },
            stopping: Stopping {
                rule: StoppingRule {
                    relative_error: 0.002,
                    min_samples: 20,
                    max_samples: 10_000,
                    min_time_ns: 100_000,
                    max_time_ns: 5_000_000_000,
                },
                reason: StoppingReason::Converged,
                duration_ns: sampling_ns,
            },
            discards,
            samples_ns,
            check: Check {
                reference: "sum of the inputs modulo 2^64".to_owned(),
                comparison: self.comparison,
                tolerance: 10.0 * error,
                poisoned: true,
                outputs_checked,
                max_error: error,
                expected_sha256: outputs.clone(),
                observed_sha256: outputs,
            },
            // Set for all cases at once by `Payload::derive`.
            derived: Derived {
                samples: 0,
                min_ns: 0.0,
                median_ns: 0.0,
                max_ns: 0.0,
                mad_ns: 0.0,
                p50_ns: 0.0,
                p90_ns: 0.0,
                p99_ns: 0.0,
                median_low_ns: 0.0,
                median_high_ns: 0.0,
                per_operation_ns: 0.0,
                bandwidth_gbps: Reading::missing("not yet"),
                throughput_tops: Reading::missing("not yet"),
                percent_of_measured_peak: Reading::missing("not yet"),
                percent_of_data_sheet: Reading::missing("not yet"),
            },
        });
        self.case
    }
}
