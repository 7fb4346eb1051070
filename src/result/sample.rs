//! Invented sessions for tests, consistent in every respect: one of an H100, one of a host without a GPU.

use std::collections::BTreeMap;

use super::*;
use crate::build_info::{ImageManifest, KernelResources, NvccVersion, sha256_hex};
use crate::config::{ConfigSource, load};

const SEED: &str = "5eed5eed5eed5eed";
const L2_BYTES: u64 = 52_428_800;

/// A session of the family `memory` on an H100.
pub(crate) fn h100() -> Payload {
    let clock = &mut 200_000_000;
    let gpu = |id, kind| Draft::new(id, kind, DeviceKind::Cuda, L2_BYTES);
    let cases = vec![
        gpu("memory/read", CaseKind::Bandwidth)
            .label("peak", "read")
            .size("bytes", 2 << 30)
            .work(2 << 30, 0, 0)
            .time(686_000, 1)
            .record(clock),
        gpu("memory/kv_read/gemma4_global/32768", CaseKind::Bandwidth)
            .label("layout", "[token][kv_head][head_dim], keys then values")
            .size("tokens", 32_768)
            .size("kv_heads", 2)
            .size("head_dim", 512)
            .size("element_bytes", 2)
            .work(134_217_728, 131_072, 0)
            .time(43_500, 1)
            .discarding()
            .record(clock),
        gpu("memory/expert_fetch/qwen35/cold", CaseKind::Bandwidth)
            .size("experts", 256)
            .size("experts_used", 8)
            .size("expert_bytes", 1_966_080)
            .size("layers", 1)
            .work(15_728_640, 0, 0)
            .time(170_000, 32)
            .buffers(32)
            .record(clock),
        gpu("memory/l2/4MiB", CaseKind::Bandwidth)
            .size("bytes", 4_194_304)
            .work(4_194_304, 0, 0)
            .cache(Cache::Warm)
            .time(98_000, 128)
            .record(clock),
        gpu("memory/chase/dram", CaseKind::Latency)
            .size("bytes", 268_435_456)
            .size("stride_bytes", 128)
            .size("hops", 8192)
            .work(8, 0, 0)
            .buffer(268_435_456)
            .time(2_720_000, 8192)
            .record(clock),
        gpu("memory/edge/graph", CaseKind::Latency)
            .size("blocks", 132)
            .size("threads", 256)
            .size("stages", 1000)
            .buffer(132 * 256 * 4)
            .cache(Cache::NotApplicable)
            .time(890_000, 1000)
            .record(clock),
        gpu("memory/tensor/fp16", CaseKind::Throughput)
            .label("precision", "fp16")
            .label("peak", "fp16")
            .size("warps", 1056)
            .size("iterations", 4096)
            .work(0, 0, 1056 * 4096 * 32_768)
            .cache(Cache::NotApplicable)
            .time(216_000, 1)
            .relative()
            .record(clock),
        gpu("memory/tensor/int8", CaseKind::Throughput)
            .label("precision", "int8")
            .label("peak", "int8")
            .size("warps", 1056)
            .size("iterations", 4096)
            .work(0, 0, 1056 * 4096 * 65_536)
            .cache(Cache::NotApplicable)
            .time(217_000, 1)
            .record(clock),
        CaseRecord {
            measurement: None,
            status: CaseStatus::Skipped,
            reason: Some("needs more memory than is free".to_owned()),
            ..gpu("memory/kv_read/gemma4_global/1048576", CaseKind::Bandwidth)
                .size("tokens", 1_048_576)
                .record(clock)
        },
    ];
    let machine = MachineRecord {
        host: host(),
        gpu: Reading::of(gpu_record()),
        driver: Reading::of(driver()),
    };
    let target = load::targets("gemma4_26b_a4b_h100").unwrap().remove(0);
    let target = TargetRecord {
        machine: Reading::of(config(&target.machine.source)),
        targets: vec![config(&target.source)],
        models: vec![config(&target.model.source)],
        edge_target: Reading::of(false),
        data_sheet_bandwidth_gbps: Reading::of(3350.0),
        data_sheet_fp16_tops: Reading::of(989.0),
        data_sheet_int8_tops: Reading::of(1979.0),
        comparable: Reading::of(true),
    };
    session(cases, machine, target, vec![image()], Scale::Full, *clock)
}

/// A session of the family `memory` on the CPU device.
pub(crate) fn cpu() -> Payload {
    let clock = &mut 100_000_000;
    let host_case = |id, kind| Draft::new(id, kind, DeviceKind::Cpu, 33_554_432);
    let cases = vec![
        host_case("memory/read", CaseKind::Bandwidth)
            .label("peak", "read")
            .size("bytes", 67_108_864)
            .work(67_108_864, 0, 0)
            .time(6_700_000, 1)
            .record(clock),
        host_case("memory/chase/dram", CaseKind::Latency)
            .size("bytes", 134_217_728)
            .size("stride_bytes", 128)
            .size("hops", 10_000)
            .work(8, 0, 0)
            .buffer(134_217_728)
            .time(950_000, 10_000)
            .record(clock),
    ];
    let machine = MachineRecord {
        host: host(),
        gpu: Reading::missing("no NVIDIA driver: libcuda.so.1 is not installed"),
        driver: Reading::missing("no NVIDIA driver: libcuda.so.1 is not installed"),
    };
    let none = || Reading::missing("the CPU device has no machine configuration");
    let target = TargetRecord {
        machine: Reading::missing("the CPU device has no machine configuration"),
        targets: vec![],
        models: vec![config(&load::model("gemma4_26b_a4b").unwrap().source)],
        edge_target: Reading::missing("the CPU device has no machine configuration"),
        data_sheet_bandwidth_gbps: none(),
        data_sheet_fp16_tops: none(),
        data_sheet_int8_tops: none(),
        comparable: Reading::missing("figures of the CPU device at small size"),
    };
    session(cases, machine, target, vec![], Scale::Small, *clock)
}

/// A case while it is being invented.
struct Draft {
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
    fn new(id: &str, kind: CaseKind, device: DeviceKind, cache_bytes: u64) -> Self {
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

    fn label(mut self, key: &str, value: &str) -> Self {
        self.case.labels.insert(key.to_owned(), value.to_owned());
        self
    }

    fn size(mut self, key: &str, value: u64) -> Self {
        self.case.sizes.insert(key.to_owned(), value);
        self
    }

    fn work(mut self, bytes_read: u64, bytes_written: u64, operations: u64) -> Self {
        self.work = Work {
            bytes_read,
            bytes_written,
            operations,
        };
        self.buffer((bytes_read + bytes_written).max(4096))
    }

    fn buffer(mut self, bytes: u64) -> Self {
        self.bytes_per_buffer = bytes;
        self
    }

    fn buffers(mut self, buffers: u64) -> Self {
        self.buffers = Some(buffers);
        self
    }

    fn relative(mut self) -> Self {
        self.comparison = Comparison::Relative;
        self
    }

    fn cache(mut self, cache: Cache) -> Self {
        self.cache = cache;
        self
    }

    fn time(mut self, typical_ns: u64, operations: u64) -> Self {
        self.typical_ns = typical_ns;
        self.operations = operations;
        self
    }

    fn discarding(mut self) -> Self {
        self.discards.push(Discard {
            after_samples: 17,
            duration_ns: 2 * self.typical_ns,
            reason: DiscardReason::ClockDrop,
        });
        self
    }

    /// The case, begun at `clock` (ns since the session began), which moves to its end.
    fn record(mut self, clock: &mut u64) -> CaseRecord {
        let samples_ns: Vec<u64> = (0..20)
            .map(|i| self.typical_ns + (i * 37 % 23) * self.typical_ns / 20_000)
            .collect();
        let timed: u64 = samples_ns.iter().sum();
        let discarded: u64 = self.discards.iter().map(|d| d.duration_ns).sum();
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
            discards: self.discards,
            samples_ns,
            check: Check {
                reference: "sum of the inputs modulo 2^64".to_owned(),
                comparison: self.comparison,
                tolerance: 10.0 * error,
                poisoned: true,
                outputs_checked: 20 * 132,
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

fn session(
    cases: Vec<CaseRecord>,
    machine: MachineRecord,
    target: TargetRecord,
    images: Vec<ImageRecord>,
    scale: Scale,
    end_ns: u64,
) -> Payload {
    let planned: Vec<PlannedCase> = cases
        .iter()
        .map(|case| {
            let work = case.measurement.as_ref().map(|m| m.work);
            let total = case.measurement.as_ref().map(|m| m.rotation.total_bytes);
            PlannedCase {
                id: case.id.clone(),
                bytes_per_operation: work.map_or(1 << 37, |w| w.bytes_read + w.bytes_written),
                memory_bytes: total.map_or(1 << 36, |bytes| bytes + 65_536),
                estimate_ns: case.ended_ns - case.started_ns,
            }
        })
        .collect();
    let duration_ns = end_ns + 50_000_000;
    let begin: jiff::Timestamp = "2026-11-23T05:00:00.25Z".parse().unwrap();
    let end = begin + std::time::Duration::from_nanos(duration_ns);
    let times_ns: Vec<u64> = (0..duration_ns / 100_000_000)
        .map(|i| i * 100_000_000 + 3_000_000)
        .collect();
    let has_gpu = machine.gpu.value().is_some();
    let series = |quantity: &str, unit: &str, value| Series {
        quantity: quantity.to_owned(),
        unit: unit.to_owned(),
        source: "nvml".to_owned(),
        samples: match has_gpu {
            true => Reading::of(vec![Some(value); times_ns.len()]),
            false => Reading::missing("no NVIDIA driver"),
        },
    };
    let mut payload = Payload {
        session: Session {
            id: "0123456789abcdef0123456789abcdef".to_owned(),
            status: SessionStatus::Complete,
            started_at: begin.to_string(),
            ended_at: end.to_string(),
            duration_ns,
            seed: SEED.to_owned(),
            arguments: vec!["run".to_owned(), "memory".to_owned()],
            redacted: false,
        },
        build: build(),
        images,
        machine,
        target,
        plan: PlanRecord {
            families: vec!["memory".to_owned()],
            scale,
            memory_bytes: planned
                .iter()
                .map(|case| case.memory_bytes)
                .max()
                .unwrap_or(0),
            estimate_ns: planned.iter().map(|case| case.estimate_ns).sum(),
            sha256: PlanRecord::digest(&planned),
            cases: planned,
        },
        peaks: Peaks::missing("not yet"),
        cases,
        telemetry: TelemetryRecord {
            interval_ns: 100_000_000,
            series: vec![
                series("sm_clock", "MHz", 1980),
                series("memory_clock", "MHz", 2619),
                series("temperature", "C", 41),
                series("power", "mW", 312_000),
                series("energy", "mJ", 4_231_890_122),
                series("utilisation", "%", 87),
                series("event_reasons", "bitmask", 0),
                series("memory_used", "B", 12_884_901_888),
            ],
            times_ns,
        },
        warnings: vec![Warning {
            code: "clocks_unlocked".to_owned(),
            message: "the SM clock is not locked".to_owned(),
            hint: "lock it with `nvidia-smi -lgc`".to_owned(),
        }],
    };
    payload.derive();
    payload
}

fn config(source: &ConfigSource) -> ConfigRecord {
    ConfigRecord {
        name: source.name.clone(),
        sha256: source.sha256.clone(),
    }
}

fn host() -> HostRecord {
    HostRecord {
        name: Reading::of("rig-of-ada".to_owned()),
        os: Reading::of("Debian GNU/Linux 12 (bookworm)".to_owned()),
        kernel: "6.1.0-28-amd64".to_owned(),
        architecture: "x86_64".to_owned(),
        cpu_model: Reading::of("Intel(R) Xeon(R) Platinum 8480C".to_owned()),
        logical_cpus: 16,
        cache_bytes: Reading::of(33_554_432),
        memory_bytes: 137_438_953_472,
        governor: Reading::missing("no cpufreq directory"),
        virtualised: Reading::of(true),
        load_average: Reading::of(0.25),
    }
}

fn gpu_record() -> GpuRecord {
    GpuRecord {
        ordinal: 0,
        name: "NVIDIA H100 80GB HBM3".to_owned(),
        uuid: Identity {
            form: IdentityForm::Plain,
            value: "GPU-0f7c9a3e-5f4c-4f0a-9d3c-2b1f0c7d8e9a".to_owned(),
        },
        pci_bus_id: Reading::of("00000000:18:00.0".to_owned()),
        compute_capability: "9.0".to_owned(),
        sm_count: 132,
        memory_bytes: 85_017_755_648,
        memory_free_bytes: 84_400_000_000,
        memory_kind: MemoryKind::Discrete,
        memory_bus_bits: 5120,
        l2_bytes: L2_BYTES,
        shared_memory_per_block_bytes: 232_448,
        sm_clock_max_khz: 1_980_000,
        memory_clock_max_khz: Reading::of(2_619_000),
        ecc: Reading::of(true),
        mig: Reading::of(false),
        power_limit_mw: Reading::of(700_000),
        power_limit_default_mw: Reading::of(700_000),
        vbios: Reading::of("96.00.99.00.01".to_owned()),
        persistence: Reading::of(true),
        other_processes: Reading::of(0),
    }
}

fn driver() -> DriverRecord {
    let library = |name: &str| {
        Reading::of(SharedLibrary {
            path: format!("/usr/lib/x86_64-linux-gnu/{name}.so.1"),
            sha256: sha256_hex(name.as_bytes()),
        })
    };
    DriverRecord {
        version: Reading::of("580.159.04".to_owned()),
        kernel_module_version: Reading::of("580.159.04".to_owned()),
        cuda_version: "13.0".to_owned(),
        nvml_version: Reading::of("13.580.159.04".to_owned()),
        libcuda: library("libcuda"),
        libnvidia_ml: library("libnvidia-ml"),
    }
}

fn build() -> BuildRecord {
    BuildRecord {
        version: "0.1.0".to_owned(),
        executable_sha256: Reading::of(sha256_hex(b"executable")),
        source_sha256: sha256_hex(b"sources"),
        rustc: "rustc 1.95.0 (f2d3ce0bd 2026-03-21)".to_owned(),
        target: "x86_64-unknown-linux-gnu".to_owned(),
        profile: "release".to_owned(),
        opt_level: "3".to_owned(),
        rustflags: vec![],
        provenance: ProvenanceRecord {
            source: "cargo".to_owned(),
            commit: Reading::of("c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00".to_owned()),
            tree: Reading::of("7ee700007ee700007ee700007ee700007ee70000".to_owned()),
            dirty: Reading::of(false),
            flake_lock_sha256: Reading::missing("the commit has no flake.lock"),
        },
    }
}

fn image() -> ImageRecord {
    let digest = |text: &str| sha256_hex(text.as_bytes());
    let architectures = ["sm_90", "sm_110", "sm_120", "sm_121"].map(str::to_owned);
    let per_architecture = |value: &dyn Fn(&str) -> String| {
        architectures
            .iter()
            .map(|a| (a.clone(), value(a)))
            .collect::<BTreeMap<_, _>>()
    };
    let resources = KernelResources {
        registers: 40,
        ..KernelResources::default()
    };
    ImageRecord {
        owner: ImageOwner::Harness,
        loaded_sha256: digest("image"),
        loaded_architecture: "sm_90".to_owned(),
        manifest: ImageManifest {
            family: "calibration".to_owned(),
            sources: BTreeMap::from([(
                "kernels/calibration/read.cu".to_owned(),
                digest("read.cu"),
            )]),
            amalgam_sha256: digest("amalgam"),
            image_sha256: digest("image"),
            image_bytes: 83_624,
            architectures: architectures.to_vec(),
            arguments: [
                "-std=c++17",
                "-O3",
                "-gencode=arch=compute_90,code=sm_90",
                "-gencode=arch=compute_110,code=sm_110",
                "-gencode=arch=compute_120,code=sm_120",
                "-gencode=arch=compute_121,code=sm_121",
                "--fatbin",
                "calibration.cu",
                "-o",
                "calibration.fatbin",
            ]
            .map(str::to_owned)
            .to_vec(),
            nvcc: NvccVersion {
                version: "13.2.78".to_owned(),
                release: "cuda_13.2.r13.2/compiler.37668154_0".to_owned(),
            },
            host_compiler: "g++ (Debian 12.2.0-14) 12.2.0".to_owned(),
            code_sha256: per_architecture(&|a| digest(a)),
            kernels: architectures
                .iter()
                .map(|a| {
                    (
                        a.clone(),
                        BTreeMap::from([("read_bandwidth".to_owned(), resources)]),
                    )
                })
                .collect(),
        },
    }
}
