//! What decode at batch 1 asks of the memory: the KV cache in attention's order, and the weights of the chosen experts.

use super::{
    super::{Case, ExpertSets, Job, Platform},
    ExpertLayout, KvLayout,
    calibration::{OVERHEAD_NS, SETTLING_NS, STEADY_IN_A_PROCESS, labels, sizes},
};
use crate::{
    kernels::KvShape,
    result::{Cache, CaseKind, Comparison, DeviceKind, Rotation, Scale, Work},
};

const MIB: u64 = 1 << 20;
/// Contexts of the KV cases.
const CONTEXTS: [u64; 5] = [2048, 8192, 32_768, 131_072, 262_144];
/// The same where inputs are small.
const SMALL_CONTEXTS: [u64; 2] = [2048, 8192];
/// Operations of a warm sample, and at least so many in a KV sample.
const OPERATIONS: u64 = 16;

fn kv_case(platform: &Platform, layout: &KvLayout, tokens: u64) -> Case {
    let row_bytes = u64::from(layout.head_dim) * 2;
    let bytes = 2 * tokens * u64::from(layout.kv_heads) * row_bytes;
    let buffers = platform.cold_bytes().div_ceil(bytes).max(1);
    // Whole rotations, so that every buffer is as cold as the next.
    let operations = buffers * OPERATIONS.div_ceil(buffers);
    Case {
        id: format!("memory/kv_read/{}/{tokens}", layout.name),
        kind: CaseKind::Bandwidth,
        sizes: sizes(&[
            ("tokens", tokens),
            ("kv_heads", u64::from(layout.kv_heads)),
            ("head_dim", u64::from(layout.head_dim)),
            ("element_bytes", 2),
        ]),
        labels: labels(&[("layout", "[token][kv_head][head_dim], keys then values")]),
        work: Work {
            bytes_read: bytes,
            bytes_written: 0,
            operations: 0,
        },
        cache: Cache::Cold,
        operations_per_sample: operations,
        rotation: Rotation {
            buffers,
            bytes_per_buffer: bytes,
            total_bytes: buffers * bytes,
            cache_bytes: platform.cache_bytes,
        },
        memory_bytes: buffers * bytes + operations * 8 * 4096 + MIB,
        estimate_ns: OVERHEAD_NS + (40.0 * (operations * bytes) as f64 / platform.read_gbps) as u64,
        reference: "sum modulo 2^64 of the generator's words, for each operation",
        comparison: Comparison::Exact,
        tolerance: 0.0,
        job: Job::KvRead {
            shape: KvShape {
                tokens: tokens as u32,
                kv_heads: layout.kv_heads,
                head_dim: layout.head_dim,
            },
        },
    }
}

fn expert_case(platform: &Platform, layout: &ExpertLayout, cache: Cache) -> Case {
    let (experts, used) = (u64::from(layout.experts), u64::from(layout.used));
    let expert_bytes: u64 = layout.bytes_per_expert.iter().sum();
    let bytes = used * expert_bytes;
    // Cold: every expert once per sample, in random order, over as many layers as four caches take.
    let layers = match cache {
        Cache::Cold => platform
            .cold_bytes()
            .div_ceil(experts * expert_bytes)
            .max(1),
        _ => 1,
    };
    let sets = layers * experts / used;
    // Warm: one set per sample, again and again, every set in its turn: single sets differed by up to 29 %.
    let (state, buffers, operations, settling_ns) = match cache {
        Cache::Cold => ("cold", sets, sets, 0),
        _ => ("warm", 1, OPERATIONS, SETTLING_NS),
    };
    let mut told = labels(&[("ids", "random, in device memory")]);
    if cache == Cache::Warm && platform.device == DeviceKind::Cuda {
        told.extend(labels(&[STEADY_IN_A_PROCESS]));
    }
    Case {
        id: format!("memory/expert_fetch/{}/{state}", layout.name),
        kind: CaseKind::Bandwidth,
        sizes: sizes(&[
            ("experts", experts),
            ("experts_used", used),
            ("expert_bytes", expert_bytes),
            ("layers", layers),
            ("sets", sets),
        ]),
        labels: told,
        work: Work {
            bytes_read: bytes,
            bytes_written: 0,
            operations: 0,
        },
        cache,
        operations_per_sample: operations,
        rotation: Rotation {
            buffers,
            bytes_per_buffer: bytes,
            total_bytes: buffers * bytes,
            cache_bytes: platform.cache_bytes,
        },
        memory_bytes: layers * experts * expert_bytes + sets.max(operations) * 8 * 4096 + MIB,
        estimate_ns: OVERHEAD_NS
            + settling_ns
            + (60.0 * (operations * bytes) as f64 / platform.read_gbps) as u64,
        reference: "sum modulo 2^64 of the generator's words of the chosen experts, for each operation",
        comparison: Comparison::Exact,
        tolerance: 0.0,
        job: Job::ExpertFetch(ExpertSets {
            experts: layout.experts,
            used: layout.used,
            bytes_per_expert: layout.bytes_per_expert,
            sets,
        }),
    }
}

/// The KV and expert cases of the given layouts.
pub fn decode_cases(platform: &Platform, kv: &[KvLayout], experts: &[ExpertLayout]) -> Vec<Case> {
    let contexts: &[u64] = match platform.scale {
        Scale::Full => &CONTEXTS,
        Scale::Small => &SMALL_CONTEXTS,
    };
    let mut cases = Vec::new();
    for layout in kv {
        match layout.window_tokens {
            Some(window) => cases.push(kv_case(platform, layout, window)),
            None => cases.extend(
                contexts
                    .iter()
                    .filter(|&&tokens| tokens <= layout.context_max_tokens)
                    .map(|&tokens| kv_case(platform, layout, tokens)),
            ),
        }
    }
    for layout in experts {
        cases.push(expert_case(platform, layout, Cache::Cold));
        cases.push(expert_case(platform, layout, Cache::Warm));
    }
    cases
}
