//! Made-up sessions for the tests of this module. The figures are round on purpose: nobody measured them.

use std::collections::BTreeMap;

use crate::result::{
    BuildRecord, Cache, CaseKind, CaseRecord, CaseStatus, Check, Comparison, ConfigRecord, Derived,
    DeviceKind, DriverRecord, GpuRecord, HostRecord, Identity, IdentityForm, Inputs, MachineRecord,
    Measurement, MemoryKind, Payload, Peak, Peaks, PlanRecord, PlannedCase, ProvenanceRecord,
    Reading, Rotation, Scale, Session, SessionStatus, Stopping, StoppingReason, StoppingRule,
    TargetRecord, TelemetryRecord, Timer, Warmup, WarmupReason, Warning, Work,
};

/// A complete session on a GPU, with a skipped, a failed and an unsettled case.
pub fn on_gpu() -> Payload {
    let mut cases = vec![
        measured(
            "memory/calibration/read",
            CaseKind::Bandwidth,
            1e6,
            Some(100.0),
        ),
        measured(
            "memory/calibration/copy",
            CaseKind::Bandwidth,
            2e6,
            Some(96.25),
        ),
        measured(
            "memory/calibration/fp16",
            CaseKind::Throughput,
            1.5e6,
            Some(100.0),
        ),
        measured("memory/edge/graph", CaseKind::Latency, 890.0, None),
        ended(
            "memory/edge/grid_barrier",
            CaseStatus::Skipped,
            "needs cooperative launch",
        ),
    ];
    for context in [2048, 32_768, 262_144] {
        let id = format!("memory/kv_read/gemma4_global/{context}");
        let time_ns = context as f64 * 10.0;
        cases.push(measured(&id, CaseKind::Bandwidth, time_ns, Some(88.5)));
    }
    cases.push(ended(
        "memory/expert_fetch/qwen35_35b_a3b/cold",
        CaseStatus::Failed,
        "12 of 4096 output words differ from the reference",
    ));
    for power in 20..29 {
        let bytes = 1u64 << power;
        let id = format!("memory/l2_curve/{bytes}");
        let mut case = measured(&id, CaseKind::Bandwidth, bytes as f64 / 5000.0, None);
        case.sizes.insert("working_set_bytes".into(), bytes);
        if let (28, Some(measurement)) = (power, &mut case.measurement) {
            measurement.stopping.reason = StoppingReason::TimeLimit;
        }
        cases.push(case);
    }
    Payload {
        machine: MachineRecord {
            gpu: Reading::of(gpu()),
            driver: Reading::of(DriverRecord {
                version: Reading::of("580.00".into()),
                kernel_module_version: Reading::of("580.00".into()),
                cuda_version: "13.0".into(),
                nvml_version: Reading::of("13.580.00".into()),
                libcuda: Reading::missing("made up"),
                libnvidia_ml: Reading::missing("made up"),
            }),
            host: host(),
        },
        peaks: Peaks {
            read_gbps: Reading::of(Peak {
                case: "memory/calibration/read".into(),
                value: 3000.0,
            }),
            fp16_tops: Reading::of(Peak {
                case: "memory/calibration/fp16".into(),
                value: 600.0,
            }),
            int8_tops: Reading::missing("not in the plan"),
        },
        ..session(cases, SessionStatus::Complete)
    }
}

/// An interrupted session on the CPU, with a warning.
pub fn on_cpu() -> Payload {
    let cases = vec![measured(
        "memory/calibration/read",
        CaseKind::Bandwidth,
        1e6,
        None,
    )];
    let mut payload = session(cases, SessionStatus::Interrupted);
    payload.target.comparable = Reading::missing("measured on the CPU device at small size");
    payload.build.provenance.dirty = Reading::of(true);
    payload.warnings.push(Warning {
        code: "governor".into(),
        message: "the processor's governor is powersave".into(),
        hint: "set it to performance".into(),
    });
    payload
}

fn session(cases: Vec<CaseRecord>, status: SessionStatus) -> Payload {
    Payload {
        session: Session {
            id: "0".repeat(32),
            status,
            started_at: "2000-01-01T00:00:00Z".into(),
            ended_at: "2000-01-01T00:01:30Z".into(),
            duration_ns: 90_000_000_000,
            seed: "00000000000000ff".into(),
            arguments: vec!["run".into()],
            redacted: false,
        },
        build: BuildRecord {
            version: "0.1.0".into(),
            executable_sha256: Reading::missing("made up"),
            source_sha256: "0".repeat(64),
            rustc: "rustc 1.88.0".into(),
            target: "x86_64-unknown-linux-gnu".into(),
            profile: "release".into(),
            opt_level: "3".into(),
            rustflags: vec![],
            provenance: ProvenanceRecord {
                source: "cargo".into(),
                commit: Reading::of("0123456789abcdef0123456789abcdef01234567".into()),
                tree: Reading::missing("made up"),
                dirty: Reading::of(false),
                flake_lock_sha256: Reading::missing("made up"),
            },
        },
        images: vec![],
        machine: MachineRecord {
            host: host(),
            gpu: Reading::missing("no libcuda.so.1 here"),
            driver: Reading::missing("no libcuda.so.1 here"),
        },
        target: TargetRecord {
            machine: Reading::of(ConfigRecord {
                name: "made_up".into(),
                sha256: "0".repeat(64),
            }),
            targets: vec![],
            models: vec![],
            edge_target: Reading::of(false),
            data_sheet_bandwidth_gbps: Reading::of(3200.0),
            data_sheet_fp16_tops: Reading::missing("not on the sheet"),
            data_sheet_int8_tops: Reading::missing("not on the sheet"),
            comparable: Reading::of(true),
        },
        plan: plan(&cases),
        peaks: Peaks {
            read_gbps: Reading::missing("made up"),
            fp16_tops: Reading::missing("made up"),
            int8_tops: Reading::missing("made up"),
        },
        cases,
        telemetry: TelemetryRecord {
            interval_ns: 100_000_000,
            times_ns: vec![],
            series: vec![],
        },
        warnings: vec![],
    }
}

/// A plan of these cases and one more.
pub fn plan(cases: &[CaseRecord]) -> PlanRecord {
    let ids = cases.iter().map(|case| case.id.as_str());
    let cases: Vec<PlannedCase> = ids
        .chain(["memory/calibration/last"])
        .map(|id| PlannedCase {
            id: id.to_owned(),
            bytes_per_operation: 1 << 30,
            memory_bytes: 4 << 30,
            estimate_ns: 1_500_000_000,
        })
        .collect();
    PlanRecord {
        families: vec!["memory".into()],
        scale: Scale::Full,
        memory_bytes: 4 << 30,
        estimate_ns: 1_500_000_000 * cases.len() as u64,
        cases,
        sha256: "0".repeat(64),
    }
}

fn ended(id: &str, status: CaseStatus, reason: &str) -> CaseRecord {
    CaseRecord {
        id: id.to_owned(),
        family: "memory".into(),
        kind: CaseKind::Bandwidth,
        device: DeviceKind::Cuda,
        sizes: BTreeMap::new(),
        labels: BTreeMap::new(),
        status,
        reason: Some(reason.to_owned()),
        started_ns: 0,
        ended_ns: 1,
        measurement: None,
    }
}

fn measured(id: &str, kind: CaseKind, time_ns: f64, of_peak: Option<f64>) -> CaseRecord {
    let share = Reading::from_option(of_peak, "no peak of that kind");
    let derived = Derived {
        samples: 100,
        min_ns: time_ns,
        median_ns: time_ns,
        max_ns: time_ns,
        mad_ns: 0.0,
        p50_ns: time_ns,
        p90_ns: time_ns * 1.01,
        p99_ns: time_ns * 1.05,
        median_low_ns: time_ns,
        median_high_ns: time_ns,
        per_operation_ns: time_ns,
        bandwidth_gbps: Reading::of(3000.0),
        throughput_tops: Reading::of(600.0),
        percent_of_measured_peak: share.clone(),
        percent_of_data_sheet: share.map(|percent| percent * 0.9),
    };
    CaseRecord {
        kind,
        reason: None,
        measurement: Some(Measurement {
            timer: Timer::CudaEvent,
            cache: Cache::Cold,
            operations_per_sample: 1,
            work: Work {
                bytes_read: 1,
                bytes_written: 0,
                operations: 0,
            },
            rotation: Rotation {
                buffers: 1,
                bytes_per_buffer: 1,
                total_bytes: 1,
                cache_bytes: 1,
            },
            inputs: Inputs {
                generator: "made up".into(),
                seed: "0".repeat(16),
            },
            warmup: Warmup {
                samples: 1,
                duration_ns: 1,
                reason: WarmupReason::Stable,
            },
            stopping: Stopping {
                rule: StoppingRule {
                    relative_error: 0.001,
                    min_samples: 1,
                    max_samples: 100,
                    min_time_ns: 1,
                    max_time_ns: 1,
                },
                reason: StoppingReason::Converged,
                duration_ns: 1,
            },
            discards: vec![],
            samples_ns: vec![time_ns as u64; 100],
            check: Check {
                reference: "made up".into(),
                comparison: Comparison::Exact,
                tolerance: 0.0,
                poisoned: true,
                outputs_checked: 1,
                max_error: 0.0,
                expected_sha256: "0".repeat(64),
                observed_sha256: "0".repeat(64),
            },
            derived,
        }),
        ..ended(id, CaseStatus::Measured, "")
    }
}

fn host() -> HostRecord {
    HostRecord {
        name: Reading::of("rig".into()),
        os: Reading::of("Debian GNU/Linux 12 (bookworm)".into()),
        kernel: "6.1.0".into(),
        architecture: "x86_64".into(),
        cpu_model: Reading::of("Made-up CPU".into()),
        logical_cpus: 2,
        cache_bytes: Reading::of(32 << 20),
        memory_bytes: 64 << 30,
        governor: Reading::of("performance".into()),
        virtualised: Reading::of(false),
        load_average: Reading::of(0.0),
    }
}

fn gpu() -> GpuRecord {
    GpuRecord {
        ordinal: 0,
        name: "Made-up GPU".into(),
        uuid: Identity {
            form: IdentityForm::Plain,
            value: "GPU-00000000-0000-0000-0000-000000000000".into(),
        },
        pci_bus_id: Reading::of("0000:00:00.0".into()),
        compute_capability: "9.0".into(),
        sm_count: 100,
        memory_bytes: 80 << 30,
        memory_free_bytes: 79 << 30,
        memory_kind: MemoryKind::Discrete,
        memory_bus_bits: 5120,
        l2_bytes: 50 << 20,
        shared_memory_per_block_bytes: 227 << 10,
        sm_clock_max_khz: 2_000_000,
        memory_clock_max_khz: Reading::of(2_600_000),
        ecc: Reading::of(true),
        mig: Reading::of(false),
        power_limit_mw: Reading::of(700_000),
        power_limit_default_mw: Reading::of(700_000),
        vbios: Reading::missing("made up"),
        persistence: Reading::of(true),
        other_processes: Reading::of(0),
    }
}
