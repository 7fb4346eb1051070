//! Level 2: what no machine can do, whatever was recorded about it.

use super::context::Context;
use super::outcome::{Findings, Outcome};
use crate::result::{
    Cache, CaseKind, CaseRecord, DeviceKind, GenerationRecord, GenerationRun, Measurement, Reading,
    StagePartRecord,
};

/// Slack over a data sheet's figure: its clocks and units are rounded.
const DATA_SHEET_SLACK: f64 = 1.02;

/// Slack over the highest clock that CUDA states: GeForce boards boost beyond it.
pub(super) const CLOCK_SLACK: f64 = 1.35;

/// Bytes that an SM can load from its first-level cache in a clock (CUDA C++ Programming Guide, compute capabilities 9
/// to 12).
const L1_BYTES_PER_CLOCK: f64 = 128.0;

/// No host's memory reads faster, in 10^9 B/s: two sockets with twelve channels of DDR5-8800 give 1.7 TB/s.
const HOST_BANDWIDTH_GBPS: f64 = 4000.0;

/// No dependent load that misses every cache is faster, in ns.
const GPU_MEMORY_LATENCY_NS: f64 = 100.0;
const HOST_MEMORY_LATENCY_NS: f64 = 10.0;

/// No dependent operation is faster, in ns: two clocks at 4 GHz, one at 10 GHz.
const GPU_OPERATION_NS: f64 = 0.5;
const HOST_OPERATION_NS: f64 = 0.1;

/// Time of one operation in the fastest sample: bounds hold for every sample.
fn fastest_ns(measurement: &Measurement) -> f64 {
    let fastest = measurement.samples_ns.iter().min().copied().unwrap_or(0);
    fastest as f64 / measurement.operations_per_sample as f64
}

/// Time of one token in the fastest run. Two tokens may arrive closer than they were computed, a run of them cannot.
fn fastest_token_ns(generation: &GenerationRecord) -> f64 {
    let runs = generation.runs.iter();
    runs.filter_map(GenerationRun::decode_ns_per_token)
        .fold(f64::INFINITY, f64::min)
}

fn bytes(measurement: &Measurement) -> f64 {
    measurement.work.bytes_read as f64 + measurement.work.bytes_written as f64
}

/// Bandwidth of cold cases against the data sheet, or what no host can do.
pub(super) fn memory_bandwidth(context: &Context<'_>) -> Outcome {
    let data_sheet = &context.payload.target.data_sheet_bandwidth_gbps;
    bound(context, |case, measurement| {
        let limit = match (case.device, data_sheet.value()) {
            (DeviceKind::Cpu, _) => HOST_BANDWIDTH_GBPS,
            (DeviceKind::Cuda, Some(gbps)) => gbps * DATA_SHEET_SLACK,
            (DeviceKind::Cuda, None) => return None,
        };
        let cold = match case.kind {
            CaseKind::Bandwidth => measurement.cache == Cache::Cold,
            // What a token reads cannot stay in a cache of a quarter of it.
            CaseKind::Generation => {
                bytes(measurement) >= 4.0 * measurement.rotation.cache_bytes as f64
            }
            CaseKind::Latency | CaseKind::Throughput => false,
        };
        let fastest_ns = match &case.generation {
            Some(generation) => fastest_token_ns(generation),
            None => fastest_ns(measurement),
        };
        cold.then(|| (bytes(measurement) / fastest_ns, limit, "GB/s from memory"))
    })
}

/// Bandwidth of all GPU cases against what the SMs can take in.
pub(super) fn cache_bandwidth(context: &Context<'_>) -> Outcome {
    let gpu = context.payload.machine.gpu.value();
    bound(context, |case, measurement| {
        let loads = case.device == DeviceKind::Cuda && case.kind != CaseKind::Generation;
        let gpu = gpu.filter(|_| loads)?;
        let clock_ghz = gpu.sm_clock_max_khz as f64 / 1e6 * CLOCK_SLACK;
        let limit = gpu.sm_count as f64 * L1_BYTES_PER_CLOCK * clock_ghz;
        Some((
            bytes(measurement) / fastest_ns(measurement),
            limit,
            "GB/s into the SMs",
        ))
    })
}

/// Stages of a token: what a cache cannot hold against the data sheet's memory, the rest against what the SMs can take in.
pub(super) fn stages(context: &Context<'_>) -> Outcome {
    let memory = context.payload.target.data_sheet_bandwidth_gbps.value();
    let (Some(memory), Some(gpu)) = (memory, context.payload.machine.gpu.value()) else {
        return Outcome::skipped("no case has such a bound on this machine");
    };
    let clock_ghz = gpu.sm_clock_max_khz as f64 / 1e6 * CLOCK_SLACK;
    let sms = gpu.sm_count as f64 * L1_BYTES_PER_CLOCK * clock_ghz;
    let mut findings = Findings::default();
    let mut bounded = false;
    for (case, _, generation) in context.generations() {
        let Some(table) = generation.stages.as_ref().and_then(Reading::value) else {
            continue;
        };
        bounded = true;
        let part = |part: &StagePartRecord| (part.part.clone(), part.bytes, part.ns);
        let whole = (
            "whole token".to_owned(),
            table.derived.bytes,
            table.token_ns,
        );
        for (name, bytes, ns) in table.parts.iter().map(part).chain([whole]) {
            let cold = bytes as f64 >= 4.0 * gpu.l2_bytes as f64;
            let limit = if cold { memory * DATA_SHEET_SLACK } else { sms };
            let gbps = bytes as f64 / ns as f64;
            // A part may move nothing.
            findings.expect(bytes == 0 || gbps <= limit, || {
                format!(
                    "{}: {name}: {gbps:.0} GB/s, at most {limit:.0} possible",
                    case.id
                )
            });
        }
    }
    match bounded {
        true => findings.outcome(),
        false => Outcome::skipped("no case has a table of stages"),
    }
}

/// Throughput against the data sheet.
pub(super) fn throughput(context: &Context<'_>) -> Outcome {
    let target = &context.payload.target;
    bound(context, |case, measurement| {
        let data_sheet = match case.labels.get("precision")?.as_str() {
            "fp16" => &target.data_sheet_fp16_tops,
            "int8" => &target.data_sheet_int8_tops,
            _ => return None,
        };
        let tops = measurement.work.operations as f64 / fastest_ns(measurement) / 1e3;
        Some((tops, data_sheet.value()? * DATA_SHEET_SLACK, "Top/s"))
    })
}

/// A bound on `(figure, limit, unit)` of the cases that have one.
fn bound(
    context: &Context<'_>,
    figure: impl Fn(&CaseRecord, &Measurement) -> Option<(f64, f64, &'static str)>,
) -> Outcome {
    let mut findings = Findings::default();
    let mut bounded = false;
    for (case, measurement) in context.measured() {
        if let Some((figure, limit, unit)) = figure(case, measurement) {
            bounded = true;
            // Not `figure > limit`: what is no number is beyond every bound.
            findings.expect(figure <= limit, || {
                format!(
                    "{}: {figure:.0} {unit} in the fastest sample, at most {limit:.0} possible",
                    case.id
                )
            });
        }
    }
    match bounded {
        true => findings.outcome(),
        false => Outcome::skipped("no case has such a bound on this machine"),
    }
}

/// Time of one operation against the speed of memory and of clocks.
pub(super) fn latency(context: &Context<'_>) -> Outcome {
    context.each_measured(|findings, case, measurement| {
        let cold_load = case.kind == CaseKind::Latency && measurement.cache == Cache::Cold;
        let floor = match (case.device, cold_load) {
            (DeviceKind::Cuda, true) => GPU_MEMORY_LATENCY_NS,
            (DeviceKind::Cuda, false) => GPU_OPERATION_NS,
            (DeviceKind::Cpu, true) => HOST_MEMORY_LATENCY_NS,
            (DeviceKind::Cpu, false) => HOST_OPERATION_NS,
        };
        let fastest = match &case.generation {
            Some(generation) => fastest_token_ns(generation),
            None => fastest_ns(measurement),
        };
        findings.expect(fastest >= floor, || {
            format!(
                "{}: {fastest} ns per operation in the fastest sample, at least {floor} needed",
                case.id
            )
        });
    })
}

/// Memory of the planned cases that were measured, against the machine's.
pub(super) fn memory(context: &Context<'_>) -> Outcome {
    let machine = &context.payload.machine;
    let mut findings = Findings::default();
    for (planned, case) in context.planned() {
        let Some(measurement) = &case.measurement else {
            continue;
        };
        let there = match (case.device, machine.gpu.value()) {
            (DeviceKind::Cuda, Some(gpu)) => gpu.memory_bytes,
            _ => machine.host.memory_bytes,
        };
        let needed = planned.memory_bytes;
        // A host maps weights, which need not fit.
        let mapped = case.kind == CaseKind::Generation && case.device == DeviceKind::Cpu;
        findings.expect(needed <= there || mapped, || {
            format!(
                "{}: {needed} bytes planned, the machine has {there}",
                case.id
            )
        });
        let used = measurement.rotation.total_bytes;
        findings.expect(used <= needed, || {
            format!("{}: {used} bytes of inputs, {needed} planned", case.id)
        });
    }
    findings.outcome()
}
