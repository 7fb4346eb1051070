//! Level 2: whether each case is consistent in itself: what it is, what it worked on, how its outputs were checked.

use super::context::Context;
use super::outcome::{Findings, Outcome};
use crate::result::{
    Cache, CaseKind, CaseStatus, Comparison, DeviceKind, Timer, case_seed, seed_id,
};

/// The last-level cache must fit this often into the inputs of a cold case.
const COLD_FACTOR: u64 = 4;

pub(super) fn outcome(context: &Context<'_>) -> Outcome {
    let mut findings = Findings::default();
    for case in &context.payload.cases {
        let has_reason = case.reason.as_ref().is_some_and(|r| !r.trim().is_empty());
        let measured = case.status == CaseStatus::Measured;
        findings.expect(measured == case.measurement.is_some(), || {
            format!(
                "{}: expected a measurement if and only if the case was measured",
                case.id
            )
        });
        findings.expect(
            measured == case.reason.is_none() && (measured || has_reason),
            || {
                format!(
                    "{}: expected a reason if and only if the case was not measured",
                    case.id
                )
            },
        );
    }
    findings.outcome()
}

pub(super) fn family(context: &Context<'_>) -> Outcome {
    let mut findings = Findings::default();
    for case in &context.payload.cases {
        findings.expect(case.id.split('/').next() == Some(&case.family), || {
            format!(
                "{}: expected the first word of the id as family, found `{}`",
                case.id, case.family
            )
        });
    }
    findings.outcome()
}

pub(super) fn device(context: &Context<'_>) -> Outcome {
    let payload = context.payload;
    let has_gpu = payload.machine.gpu.value().is_some() && payload.machine.driver.value().is_some();
    context.each_measured(|findings, case, measurement| {
        // An engine is a process of its own: the harness's clock times it, and loads none of its kernels.
        let by_harness = case.kind != CaseKind::Generation;
        let timer = match case.device {
            DeviceKind::Cuda if by_harness => Timer::CudaEvent,
            _ => Timer::MonotonicRaw,
        };
        findings.expect(measurement.timer == timer, || {
            format!(
                "{}: expected timer {timer:?} on {:?}, found {:?}",
                case.id, case.device, measurement.timer
            )
        });
        let on_gpu = case.device == DeviceKind::Cuda;
        let loaded = !payload.images.is_empty() || !by_harness;
        findings.expect(!on_gpu || (has_gpu && loaded), || {
            format!(
                "{}: expected a GPU, its driver and kernel images, found not all of them",
                case.id
            )
        });
    })
}

/// The integer parameters against work, rotation and operations, for those that have a meaning of their own.
pub(super) fn sizes(context: &Context<'_>) -> Outcome {
    let gpu = context.payload.machine.gpu.value();
    context.each_measured(|findings, case, measurement| {
        let size = |key: &str| case.sizes.get(key).copied();
        let product = |keys: &[&str], factor: u64| {
            keys.iter()
                .try_fold(factor, |product, key| product.checked_mul(size(key)?))
        };
        let mut expect = |name: &str, stated: Option<u64>, found: u64| {
            findings.expect(stated.is_none_or(|stated| stated == found), || {
                format!(
                    "{}: sizes.{name} gives {}, the measurement {found}",
                    case.id,
                    stated.unwrap_or(0)
                )
            });
        };
        let (work, rotation) = (&measurement.work, &measurement.rotation);
        let operations = measurement.operations_per_sample;
        expect("bytes", size("bytes"), rotation.bytes_per_buffer);
        let kv = product(&["tokens", "kv_heads", "head_dim", "element_bytes"], 2);
        expect("tokens and the shape of the cache", kv, work.bytes_read);
        expect(
            "experts_used and expert_bytes",
            product(&["experts_used", "expert_bytes"], 1),
            work.bytes_read,
        );
        expect("stages", size("stages"), operations);
        expect("hops", size("hops"), operations);
        expect(
            "blocks and threads",
            product(&["blocks", "threads"], 4),
            rotation.bytes_per_buffer,
        );
        if let (Cache::Cold, Some(layers), Some(experts), Some(used)) = (
            measurement.cache,
            size("layers"),
            size("experts"),
            size("experts_used").filter(|n| *n > 0),
        ) {
            let fetches = layers.checked_mul(experts).map(|all| all / used);
            expect("layers and experts", fetches, operations);
        }
        if let Some(sets) = size("sets") {
            let all = product(&["layers", "experts"], 1);
            let chosen = product(&["experts_used"], sets);
            findings.expect(chosen.is_some() && chosen == all, || {
                format!("{}: {sets} sets do not hold every expert once", case.id)
            });
        }
        if let (Some(all), Some(used)) = (size("experts"), size("experts_used")) {
            findings.expect(used <= all, || {
                format!("{}: {used} experts used of {all}", case.id)
            });
        }
        if let Some(loops) = product(&["warps", "iterations"], 1) {
            findings.expect(loops > 0 && work.operations % loops == 0, || {
                format!(
                    "{}: {} operations are not {loops} equal loops",
                    case.id, work.operations
                )
            });
        }
        if let Some(stride) = size("stride_bytes") {
            let whole = stride > 0 && rotation.bytes_per_buffer % stride == 0;
            findings.expect(whole && stride.is_power_of_two(), || {
                format!(
                    "{}: a stride of {stride} bytes does not divide the buffer",
                    case.id
                )
            });
        }
        if let (DeviceKind::Cuda, Some(gpu), Some(blocks)) = (case.device, gpu, size("blocks")) {
            findings.expect(gpu.sm_count > 0 && blocks % gpu.sm_count == 0, || {
                format!(
                    "{}: {blocks} blocks do not fill {} SMs evenly",
                    case.id, gpu.sm_count
                )
            });
        }
        // What varies stands in the id.
        for number in case
            .id
            .split('/')
            .filter_map(|part| part.parse::<u64>().ok())
        {
            findings.expect(case.sizes.values().any(|size| *size == number), || {
                format!("{}: none of the sizes is {number}", case.id)
            });
        }
    })
}

pub(super) fn rotation(context: &Context<'_>) -> Outcome {
    context.each_measured(|findings, case, measurement| {
        let rotation = &measurement.rotation;
        let total = rotation.buffers.checked_mul(rotation.bytes_per_buffer);
        findings.expect(
            rotation.buffers > 0 && total == Some(rotation.total_bytes),
            || {
                format!(
                    "{}: {} buffers of {} bytes are not {} bytes",
                    case.id, rotation.buffers, rotation.bytes_per_buffer, rotation.total_bytes
                )
            },
        );
    })
}

pub(super) fn cache(context: &Context<'_>) -> Outcome {
    let machine = &context.payload.machine;
    context.each_measured(|findings, case, measurement| {
        let rotation = &measurement.rotation;
        let (total, cache) = (rotation.total_bytes, rotation.cache_bytes);
        let holds = match (case.device, machine.gpu.value(), machine.host.cache_bytes.value()) {
            (DeviceKind::Cuda, Some(gpu), _) => cache == gpu.l2_bytes,
            // All last-level caches together; the host's record has the largest alone.
            (DeviceKind::Cpu, _, Some(largest)) => cache >= *largest,
            _ => true,
        };
        findings.expect(holds, || format!("{}: {cache} bytes of cache are not the machine's", case.id));
        let holds = match measurement.cache {
            Cache::Cold => total >= cache.saturating_mul(COLD_FACTOR),
            Cache::Warm => rotation.buffers == 1,
            Cache::NotApplicable => match case.kind {
                // Weights, KV cache and state are as cold or warm as decoding leaves them.
                CaseKind::Generation => true,
                CaseKind::Bandwidth => false,
                CaseKind::Latency | CaseKind::Throughput => total <= cache,
            },
        };
        findings.expect(holds, || {
            format!(
                "{}: {} buffers of together {total} bytes do not make a {:?} case beside {cache} bytes of cache",
                case.id, rotation.buffers, measurement.cache
            )
        });
    })
}

pub(super) fn seed(context: &Context<'_>) -> Outcome {
    let session_seed = &context.payload.session.seed;
    context.each_measured(|findings, case, measurement| {
        let expected = case_seed(session_seed, seed_id(&case.id, &case.labels));
        findings.expect(measurement.inputs.seed == expected, || {
            format!(
                "{}: expected seed {expected}, found {}",
                case.id, measurement.inputs.seed
            )
        });
    })
}

pub(super) fn outputs(context: &Context<'_>) -> Outcome {
    context.each_measured(|findings, case, measurement| {
        let check = &measurement.check;
        let generation = case.generation.as_ref();
        findings.expect(check.poisoned == generation.is_none(), || {
            format!("{}: outputs were not poisoned", case.id)
        });
        let least = match generation {
            // Every token of the repetition.
            Some(generation) => generation.runs.first().map_or(0, |run| run.ids.len()),
            None => measurement.samples_ns.len() + measurement.discards.len(),
        } as u64;
        // Every sample has the same outputs, and discarded ones are checked too.
        let checked = check.outputs_checked;
        let whole = least > 0 && checked >= least && checked % least == 0;
        findings.expect(whole, || {
            format!("{}: {checked} outputs checked in {least} samples", case.id)
        });
    })
}

pub(super) fn error(context: &Context<'_>) -> Outcome {
    context.each_measured(|findings, case, measurement| {
        let check = &measurement.check;
        let (error, tolerance) = (check.max_error, check.tolerance);
        findings.expect((0.0..=tolerance).contains(&error), || {
            format!(
                "{}: error {error} beside a tolerance of {tolerance}",
                case.id
            )
        });
        let holds = match check.comparison {
            Comparison::Exact => tolerance == 0.0 && check.expected_sha256 == check.observed_sha256,
            Comparison::Relative => tolerance > 0.0 && tolerance <= 0.1,
        };
        findings.expect(holds, || {
            format!(
                "{}: outputs or tolerance {tolerance} are not those of an {:?} comparison",
                case.id, check.comparison
            )
        });
    })
}
