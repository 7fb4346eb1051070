//! Whole sessions: an H100's, and a host's without a GPU.

use super::draft::{Draft, SEED};
use super::facts::{L2_BYTES, build, config, driver, gpu_record, host, image, nix_build};
use super::generation;
use crate::config::load;
use crate::result::*;

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
            .size("sets", 32)
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
        generation::case(clock, L2_BYTES),
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
        build: if has_gpu { nix_build() } else { build() },
        images,
        engines: if has_gpu {
            vec![generation::engine()]
        } else {
            vec![]
        },
        weights: if has_gpu {
            vec![generation::weights()]
        } else {
            vec![]
        },
        machine,
        target,
        plan: PlanRecord {
            families: match has_gpu {
                true => vec!["memory".to_owned(), "e2e".to_owned()],
                false => vec!["memory".to_owned()],
            },
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
