//! The ruler: peak rates and latencies of the machine, the denominators of everything else.

use std::collections::BTreeMap;

use super::super::{Case, Job, Platform};
use crate::{
    kernels::{ChaseLevel, Edge, Precision, tuning},
    result::{Cache, CaseKind, Comparison, DeviceKind, Rotation, Work},
};

const MIB: u64 = 1 << 20;
/// Bytes of one pass of the peak reads on a GPU.
const STREAM_BYTES: u64 = 2048 * MIB;
/// The same on a processor, unless its cache asks for more.
const SMALL_STREAM_BYTES: u64 = 128 * MIB;
/// Distance of the nodes of a pointer chase: one cache line.
const CHASE_STRIDE: u64 = 128;
/// Hops of one sample of a pointer chase, at least.
const CHASE_HOPS: u64 = 8192;
/// Stages of one sample of the edge cases. A stream takes about 1000 launches before it blocks the host.
const STREAM_STAGES: u64 = 500;
const GRAPH_STAGES: u64 = 1000;
const PERSISTENT_STAGES: u64 = 2000;
/// Iterations of one tensor-core launch: sums of small integers stay exact in f32 and int32.
const TENSOR_ITERATIONS: u32 = 4096;
/// Inputs, warm-up and checks of a case, which an estimate adds. Modelled.
pub(super) const OVERHEAD_NS: u64 = 100_000_000;
/// The longer warm-up of a warm cache. Modelled.
pub(super) const SETTLING_NS: u64 = 600_000_000;
/// Samples that an estimate assumes. Modelled.
const SAMPLES: u64 = 60;

/// Of cases on a GPU whose figure stands still in a process, and in the next one may stand elsewhere: where the driver puts
/// a stream's queue, a grid's barrier or a warm buffer shows in them.
pub(super) const STEADY_IN_A_PROCESS: (&str, &str) = ("steady", "in a process");

pub(super) fn sizes(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).into(), *value))
        .collect()
}

pub(super) fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).into(), (*value).into()))
        .collect()
}

fn no_rotation(platform: &Platform, bytes: u64) -> Rotation {
    Rotation {
        buffers: 1,
        bytes_per_buffer: bytes,
        total_bytes: bytes,
        cache_bytes: platform.cache_bytes,
    }
}

/// A case over one buffer of `bytes`, `work` per operation.
fn flat(platform: &Platform, id: &str, kind: CaseKind, bytes: u64, work: Work, job: Job) -> Case {
    let moved = (work.bytes_read + work.bytes_written) as f64;
    Case {
        id: id.into(),
        kind,
        sizes: sizes(&[("bytes", bytes)]),
        labels: BTreeMap::new(),
        work,
        cache: Cache::Cold,
        operations_per_sample: 1,
        rotation: no_rotation(platform, bytes),
        memory_bytes: bytes + MIB,
        estimate_ns: OVERHEAD_NS + (40.0 * moved / platform.read_gbps) as u64,
        reference: "sum modulo 2^64 of the generator's words",
        comparison: Comparison::Exact,
        tolerance: 0.0,
        job,
    }
}

/// Bytes of the streaming cases: the stated size, or what makes them cold, in whole bulk chunks.
fn stream_bytes(platform: &Platform) -> u64 {
    let wanted = match platform.device {
        DeviceKind::Cuda => STREAM_BYTES.min(platform.memory_bytes / 4),
        DeviceKind::Cpu => SMALL_STREAM_BYTES,
    };
    wanted.max(platform.cold_bytes()).next_multiple_of(MIB)
}

fn read(bytes: u64) -> Work {
    Work {
        bytes_read: bytes,
        bytes_written: 0,
        operations: 0,
    }
}

fn streams(platform: &Platform) -> Vec<Case> {
    let bytes = stream_bytes(platform);
    let peak = |mut case: Case| {
        case.labels = labels(&[("peak", "read")]);
        case
    };
    let two = |mut case: Case, reference| {
        case.memory_bytes = 2 * bytes + MIB;
        case.reference = reference;
        case
    };
    let written = Work {
        bytes_read: 0,
        bytes_written: bytes,
        operations: 0,
    };
    let copied = Work {
        bytes_read: bytes,
        bytes_written: bytes,
        operations: 0,
    };
    let case = |id, work, job| flat(platform, id, CaseKind::Bandwidth, bytes, work, job);
    let mut write = case("memory/write", written, Job::Write);
    write.reference = "the pattern of this sample's salt in every word";
    let same = "the source's words, each at its place";
    let mut cases = vec![peak(case("memory/read/loads", read(bytes), Job::ReadLoads))];
    if platform.device == DeviceKind::Cuda {
        cases.push(peak(case("memory/read/bulk", read(bytes), Job::ReadBulk)));
    }
    cases.push(write);
    cases.push(two(case("memory/copy/kernel", copied, Job::Copy), same));
    if platform.device == DeviceKind::Cuda {
        cases.push(two(
            case("memory/copy/driver", copied, Job::DriverCopy),
            same,
        ));
    }
    cases
}

/// Reads of growing buffers again and again: the knees are the caches.
fn cache_curve(platform: &Platform) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut bytes = MIB;
    while bytes <= 4 * platform.cache_bytes.next_power_of_two() {
        // Enough passes that a launch is small beside them, no more than a fifth of a second at a tenth of the rate.
        let passes = (512 * MIB / bytes).clamp(4, 128) as u32;
        let id = format!("memory/l2/{}MiB", bytes / MIB);
        let mut case = flat(
            platform,
            &id,
            CaseKind::Bandwidth,
            bytes,
            read(bytes),
            Job::Resident { passes },
        );
        case.cache = Cache::Warm;
        case.labels = labels(&[STEADY_IN_A_PROCESS]);
        case.operations_per_sample = u64::from(passes);
        case.reference = "sum modulo 2^64 of the generator's words, times the passes";
        case.estimate_ns = OVERHEAD_NS + SETTLING_NS;
        cases.push(case);
        bytes *= 2;
    }
    cases
}

fn chases(platform: &Platform) -> Vec<Case> {
    let dram = (8 * platform.cache_bytes)
        .next_power_of_two()
        .clamp(64 * MIB, 1024 * MIB);
    let levels = match platform.device {
        DeviceKind::Cuda => vec![
            ("l1", ChaseLevel::L1, 16 << 10, Cache::Warm),
            (
                "l2",
                ChaseLevel::L2,
                (platform.cache_bytes / 8).next_power_of_two(),
                Cache::Warm,
            ),
            ("dram", ChaseLevel::L2, dram, Cache::Cold),
        ],
        DeviceKind::Cpu => vec![
            ("l1", ChaseLevel::L1, 16 << 10, Cache::Warm),
            (
                "dram",
                ChaseLevel::L2,
                dram.max(platform.cold_bytes()),
                Cache::Cold,
            ),
        ],
    };
    levels
        .into_iter()
        .map(|(name, level, bytes, cache)| {
            let bytes = bytes.next_multiple_of(CHASE_STRIDE);
            // A warm walk goes round the whole cycle, or it would find nodes that no walk has touched yet.
            let hops = match cache {
                Cache::Warm => CHASE_HOPS.max(bytes / CHASE_STRIDE),
                _ => CHASE_HOPS,
            };
            let one = Work {
                bytes_read: 8,
                bytes_written: 0,
                operations: 0,
            };
            let id = format!("memory/chase/{name}");
            let job = Job::Chase {
                level,
                stride: CHASE_STRIDE,
            };
            let mut case = flat(platform, &id, CaseKind::Latency, bytes, one, job);
            case.sizes = sizes(&[
                ("bytes", bytes),
                ("stride_bytes", CHASE_STRIDE),
                ("hops", hops),
            ]);
            case.cache = cache;
            case.operations_per_sample = hops;
            // The links' table travels beside the nodes.
            case.memory_bytes = bytes + bytes / CHASE_STRIDE * 4 + MIB;
            case.reference =
                "the node that the host reaches after as many hops along the same cycle";
            // A hop through memory and one through L2, about; making the cycle takes the host a while.
            let (hop_ns, settling_ns) = match cache {
                Cache::Warm => (150, SETTLING_NS),
                _ => (400, 0),
            };
            let links_ns = bytes / CHASE_STRIDE * 30;
            case.estimate_ns = OVERHEAD_NS + settling_ns + links_ns + SAMPLES * hops * hop_ns;
            case
        })
        .collect()
}

fn edges(platform: &Platform) -> Vec<Case> {
    let forms: &[(&str, Edge, bool, u64)] = match platform.device {
        DeviceKind::Cuda => &[
            ("stream", Edge::Launch, false, STREAM_STAGES),
            ("graph", Edge::Launch, true, GRAPH_STAGES),
            ("graph_dependent", Edge::DependentLaunch, true, GRAPH_STAGES),
            ("grid_barrier", Edge::Barrier, false, PERSISTENT_STAGES),
            ("grid_sync", Edge::GridSync, false, PERSISTENT_STAGES),
        ],
        DeviceKind::Cpu => &[
            ("fork_join", Edge::Launch, false, 100),
            ("thread_barrier", Edge::Barrier, false, 100),
        ],
    };
    forms
        .iter()
        .map(|&(name, edge, graph, stages)| {
            let threads = match platform.device {
                DeviceKind::Cuda => u64::from(tuning::EDGE_THREADS),
                DeviceKind::Cpu => 1,
            };
            let id = format!("memory/edge/{name}");
            let none = Work {
                bytes_read: 0,
                bytes_written: 0,
                operations: 0,
            };
            let bytes = platform.units * threads * 4;
            let mut case = flat(
                platform,
                &id,
                CaseKind::Latency,
                bytes,
                none,
                Job::Edge { edge, graph },
            );
            case.sizes = sizes(&[
                ("blocks", platform.units),
                ("threads", threads),
                ("stages", stages),
            ]);
            case.cache = Cache::NotApplicable;
            if matches!(name, "stream" | "grid_sync") {
                case.labels = labels(&[STEADY_IN_A_PROCESS]);
            }
            case.operations_per_sample = stages;
            case.memory_bytes = 4 * MIB;
            case.reference = match platform.device {
                DeviceKind::Cuda => "every word grown by one per stage",
                DeviceKind::Cpu => "every thread counted once per stage",
            };
            case.estimate_ns = OVERHEAD_NS + SAMPLES * stages * 2_000;
            case
        })
        .collect()
}

fn tensors(platform: &Platform) -> Vec<Case> {
    if platform.device == DeviceKind::Cpu {
        return Vec::new();
    }
    [("fp16", Precision::Fp16), ("int8", Precision::Int8)]
        .into_iter()
        .map(|(name, precision)| {
            let warps = platform.units * u64::from(tuning::TENSOR_THREADS) / 32;
            let work = Work {
                bytes_read: 0,
                bytes_written: 0,
                operations: warps
                    * u64::from(TENSOR_ITERATIONS)
                    * 8
                    * 2
                    * 16
                    * 8
                    * precision.inner(),
            };
            let id = format!("memory/tensor/{name}");
            let job = Job::Tensor {
                precision,
                iterations: TENSOR_ITERATIONS,
            };
            let out_bytes = warps * 32 * 16;
            let mut case = flat(platform, &id, CaseKind::Throughput, out_bytes, work, job);
            case.sizes = sizes(&[
                ("warps", warps),
                ("iterations", u64::from(TENSOR_ITERATIONS)),
            ]);
            case.labels = labels(&[
                ("peak", name),
                ("precision", name),
                ("instruction", "mma.sync"),
            ]);
            case.cache = Cache::NotApplicable;
            case.memory_bytes = out_bytes + 4 * MIB;
            case.reference = "exact integer products, summed over accumulators";
            case.estimate_ns = OVERHEAD_NS + 200_000_000;
            case
        })
        .collect()
}

/// Every calibration case of the platform. The first read is repeated last by [`control_case`].
pub fn calibration_cases(platform: &Platform) -> Vec<Case> {
    let mut cases = streams(platform);
    if platform.device == DeviceKind::Cuda {
        cases.extend(cache_curve(platform));
    }
    cases.extend(chases(platform));
    cases.extend(edges(platform));
    cases.extend(tensors(platform));
    cases
}

/// The first read once more, to end a session: if it moved, the machine moved.
pub fn control_case(platform: &Platform) -> Option<Case> {
    let mut case = streams(platform).into_iter().next()?;
    case.id = "memory/read/again".into();
    case.labels = labels(&[("control", "memory/read/loads")]);
    Some(case)
}
