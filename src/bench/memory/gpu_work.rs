//! The cases on a GPU: what is queued before, what is timed, what is compared afterwards.

use super::{
    super::{Case, Job},
    gpu::Gpu,
    reference::{ExpertMemory, bytes_of, fetches, range_sum},
    tensor_reference::TensorReference,
};
use crate::{
    device::{
        DeviceError,
        cuda::{Arena, CudaError, Graph, Span},
        generator,
    },
    kernels::{ExpertTensors, Precision},
    measure::{Outcome, Sample, Timed},
    result::Cache,
};

/// Byte that outputs are filled with before every sample.
const POISON: u8 = 0xA5;
/// Words that the host compares itself, beside the device's comparison of all.
const HOST_WORDS: usize = 4096;

type Step<'a> = Box<dyn FnMut() -> Result<(), CudaError> + 'a>;
type Compare<'a> = Box<dyn FnMut() -> Result<Outputs, CudaError> + 'a>;

/// Outputs beside their reference.
struct Outputs {
    expected: Vec<u8>,
    observed: Vec<u8>,
    checked: u64,
    wrong: u64,
}

/// Compares words one by one.
fn compare(expected: &[u64], observed: &[u64]) -> Outputs {
    let differing = expected
        .iter()
        .zip(observed)
        .filter(|(a, b)| a != b)
        .count();
    Outputs {
        expected: bytes_of(expected),
        observed: bytes_of(observed),
        checked: expected.len() as u64,
        wrong: (differing + expected.len().abs_diff(observed.len())) as u64,
    }
}

/// A prepared case.
struct GpuWork<'a> {
    gpu: &'a Gpu,
    before: Step<'a>,
    timed: Step<'a>,
    compare: Compare<'a>,
    last: (Vec<u8>, Vec<u8>),
}

impl Timed for GpuWork<'_> {
    fn run(&mut self) -> Result<Sample, DeviceError> {
        (self.before)()?;
        let gpu = self.gpu;
        Ok(gpu
            .timer
            .time(&gpu.stream, &gpu.calibration, &mut self.timed)?)
    }

    fn check(&mut self) -> Result<Outcome, DeviceError> {
        let outputs = (self.compare)()?;
        self.last = (outputs.expected, outputs.observed);
        Ok(Outcome {
            checked: outputs.checked,
            max_error: outputs.wrong as f64,
        })
    }

    fn outputs(&self) -> (Vec<u8>, Vec<u8>) {
        self.last.clone()
    }
}

fn replay<'a>(gpu: &'a Gpu, graph: Graph) -> Step<'a> {
    Box::new(move || gpu.stream.replay(&graph))
}

/// Work whose launches each leave block sums: `out` is poisoned before, and the sums of launch i must add up to
/// `expected[i]`.
fn summing<'a>(gpu: &'a Gpu, out: Span, expected: Vec<u64>, timed: Step<'a>) -> GpuWork<'a> {
    let words = (out.bytes() / 8) as usize;
    let per_launch = words / expected.len().max(1);
    GpuWork {
        gpu,
        before: Box::new(move || gpu.stream.fill(out, POISON)),
        timed,
        compare: Box::new(move || {
            let sums: Vec<u64> = gpu.stream.download(out, words)?;
            let observed: Vec<u64> = sums
                .chunks(per_launch.max(1))
                .map(|blocks| {
                    blocks
                        .iter()
                        .fold(0, |sum: u64, block| sum.wrapping_add(*block))
                })
                .collect();
            Ok(compare(&expected, &observed))
        }),
        last: Default::default(),
    }
}

/// Work that writes all of `out`: the device counts wrong words, the host looks at the first few thousand itself.
fn writing<'a>(
    gpu: &'a Gpu,
    out: Span,
    counter: Span,
    before: Step<'a>,
    timed: Step<'a>,
    mut count: Step<'a>,
    expected_word: impl Fn(u64) -> u64 + 'a,
) -> GpuWork<'a> {
    GpuWork {
        gpu,
        before,
        timed,
        compare: Box::new(move || {
            gpu.stream.fill(counter, 0)?;
            count()?;
            let wrong = gpu.stream.download::<u64>(counter, 1)?;
            let head = HOST_WORDS.min((out.bytes() / 8) as usize);
            let expected: Vec<u64> = (0..head as u64).map(&expected_word).collect();
            let seen = compare(&expected, &gpu.stream.download(out, head)?);
            Ok(Outputs {
                checked: seen.checked + out.bytes() / 8,
                wrong: seen.wrong + wrong.iter().sum::<u64>(),
                ..seen
            })
        }),
        last: Default::default(),
    }
}

pub(super) fn prepare<'a>(
    gpu: &'a Gpu,
    arena: &mut Arena,
    case: &Case,
    seed: u64,
) -> Result<Box<dyn Timed + 'a>, CudaError> {
    let work = match case.job {
        Job::ReadLoads | Job::ReadBulk | Job::Resident { .. } => read(gpu, arena, case, seed),
        Job::Write => write(gpu, arena, case, seed),
        Job::Copy | Job::DriverCopy => copy(gpu, arena, case, seed),
        Job::Chase { .. } => chase(gpu, arena, case, seed),
        Job::Edge { .. } => edge(gpu, arena, case),
        Job::Tensor {
            precision,
            iterations,
        } => tensor(gpu, arena, precision, iterations, seed),
        Job::KvRead { .. } => kv_read(gpu, arena, case, seed),
        Job::ExpertFetch { .. } => expert_fetch(gpu, arena, case, seed),
    }?;
    Ok(Box::new(work))
}

/// A span of generated words.
fn input(gpu: &Gpu, arena: &mut Arena, bytes: u64, seed: u64) -> Result<Span, CudaError> {
    let span = arena.take(bytes)?;
    gpu.calibration.fill_words(&gpu.stream, span, seed)?;
    gpu.stream.synchronize()?;
    Ok(span)
}

fn read<'a>(
    gpu: &'a Gpu,
    arena: &mut Arena,
    case: &Case,
    seed: u64,
) -> Result<GpuWork<'a>, CudaError> {
    let bytes = case.rotation.total_bytes;
    let span = input(gpu, arena, bytes, seed)?;
    let out = arena.take(u64::from(gpu.calibration.read_blocks()) * 8)?;
    let mut expected = range_sum(seed, 0, bytes / 8);
    let kernels = &gpu.calibration;
    let job = case.job.clone();
    if let Job::Resident { passes } = job {
        expected = expected.wrapping_mul(u64::from(passes));
    }
    let timed: Step<'a> = Box::new(move || match job {
        Job::ReadBulk => kernels.read_bulk(&gpu.stream, span, out),
        Job::Resident { passes } => kernels.read_resident(&gpu.stream, span, passes, out),
        _ => kernels.read_loads(&gpu.stream, span, out),
    });
    Ok(summing(gpu, out, vec![expected], timed))
}

fn write<'a>(
    gpu: &'a Gpu,
    arena: &mut Arena,
    case: &Case,
    seed: u64,
) -> Result<GpuWork<'a>, CudaError> {
    let out = arena.take(case.rotation.total_bytes)?;
    let (salt_cell, counter) = (arena.take(8)?, arena.take(8)?);
    // A new salt for every sample, so that what an earlier sample wrote counts as wrong.
    let salt = std::rc::Rc::new(std::cell::Cell::new(seed));
    let (next, counted, seen) = (salt.clone(), salt.clone(), salt);
    Ok(writing(
        gpu,
        out,
        counter,
        Box::new(move || {
            next.set(next.get().wrapping_add(0x1234_5678_9ABC_DEF1));
            gpu.stream.upload(&[next.get()], salt_cell)?;
            gpu.stream.fill(out, POISON)
        }),
        Box::new(move || gpu.calibration.write_words(&gpu.stream, out, salt_cell)),
        Box::new(move || {
            gpu.calibration
                .count_unwritten(&gpu.stream, out, counted.get(), counter)
        }),
        move |index| generator::written(seen.get(), index),
    ))
}

fn copy<'a>(
    gpu: &'a Gpu,
    arena: &mut Arena,
    case: &Case,
    seed: u64,
) -> Result<GpuWork<'a>, CudaError> {
    let bytes = case.rotation.total_bytes;
    let from = input(gpu, arena, bytes, seed)?;
    let (to, counter) = (arena.take(bytes)?, arena.take(8)?);
    let by_driver = case.job == Job::DriverCopy;
    Ok(writing(
        gpu,
        to,
        counter,
        Box::new(move || gpu.stream.fill(to, POISON)),
        Box::new(move || match by_driver {
            true => gpu.stream.copy(from, to),
            false => gpu.calibration.copy_words(&gpu.stream, from, to),
        }),
        Box::new(move || {
            gpu.calibration
                .count_ungenerated(&gpu.stream, to, seed, counter)
        }),
        move |index| generator::word(seed, index),
    ))
}

fn chase<'a>(
    gpu: &'a Gpu,
    arena: &mut Arena,
    case: &Case,
    seed: u64,
) -> Result<GpuWork<'a>, CudaError> {
    let Job::Chase { level, stride } = case.job else {
        unreachable!("prepare passes chases only")
    };
    let bytes = case.rotation.total_bytes;
    let next: Vec<u32> = generator::cycle(seed, (bytes / stride) as usize)
        .into_iter()
        .map(|node| node as u32)
        .collect();
    let span = arena.take(bytes)?;
    let table = arena.take(next.len() as u64 * 4)?;
    let (start, end) = (arena.take(8)?, arena.take(8)?);
    gpu.stream.upload(&next, table)?;
    gpu.calibration
        .link_nodes(&gpu.stream, table, span, stride)?;
    gpu.stream.synchronize()?;
    let hops = case.operations_per_sample as u32;
    // Every sample goes on where the last one ended, so that a cold chase meets new nodes.
    let position = std::rc::Rc::new(std::cell::Cell::new(0u32));
    let from = position.clone();
    Ok(GpuWork {
        gpu,
        before: Box::new(move || {
            gpu.stream.upload(&[u64::from(from.get())], start)?;
            gpu.stream.fill(end, POISON)
        }),
        timed: Box::new(move || {
            gpu.calibration
                .chase(&gpu.stream, level, span, stride, hops, start, end)
        }),
        compare: Box::new(move || {
            let mut node = position.get();
            for _ in 0..hops {
                node = next.get(node as usize).copied().unwrap_or(u32::MAX);
            }
            position.set(node);
            Ok(compare(&[u64::from(node)], &gpu.stream.download(end, 1)?))
        }),
        last: Default::default(),
    })
}

fn edge<'a>(gpu: &'a Gpu, arena: &mut Arena, case: &Case) -> Result<GpuWork<'a>, CudaError> {
    let Job::Edge { edge, graph } = case.job else {
        unreachable!("prepare passes edges only")
    };
    let words = gpu.calibration.edge_words();
    let (a, b, counter) = (
        arena.take(words * 4)?,
        arena.take(words * 4)?,
        arena.take(4)?,
    );
    let stages = case.operations_per_sample as u32;
    let queue = move || {
        gpu.calibration
            .edges(&gpu.stream, edge, stages, a, b, counter)
    };
    let timed = match graph {
        true => replay(gpu, gpu.stream.capture(|_| queue())?),
        false => Box::new(queue),
    };
    let result = if stages % 2 == 0 { a } else { b };
    Ok(GpuWork {
        gpu,
        before: Box::new(move || {
            gpu.stream.fill(a, 0)?;
            gpu.stream.fill(b, POISON)?;
            gpu.stream.fill(counter, 0)
        }),
        timed,
        compare: Box::new(move || {
            let observed: Vec<u32> = gpu.stream.download(result, words as usize)?;
            let observed: Vec<u64> = observed.into_iter().map(u64::from).collect();
            Ok(compare(&vec![u64::from(stages); words as usize], &observed))
        }),
        last: Default::default(),
    })
}

fn tensor<'a>(
    gpu: &'a Gpu,
    arena: &mut Arena,
    precision: Precision,
    iterations: u32,
    seed: u64,
) -> Result<GpuWork<'a>, CudaError> {
    let reference = TensorReference::new(precision, seed, iterations);
    let threads = gpu.calibration.tensor_threads() as usize;
    let (a, b) = (arena.take(128 * 4)?, arena.take(512 * 4)?);
    let out = arena.take(threads as u64 * 16)?;
    gpu.stream.upload(&reference.a, a)?;
    gpu.stream.upload(&reference.b, b)?;
    // Both precisions are compared as the integers that they are.
    let expected: Vec<u64> = (0..4)
        .flat_map(|register| (0..threads).map(move |thread| register * 32 + thread % 32))
        .map(|at| reference.sums.get(at).copied().unwrap_or_default() as u64)
        .collect();
    Ok(GpuWork {
        gpu,
        before: Box::new(move || gpu.stream.fill(out, POISON)),
        timed: Box::new(move || {
            gpu.calibration
                .tensor(&gpu.stream, precision, a, b, iterations, out)
        }),
        compare: Box::new(move || {
            let observed: Vec<u64> = match precision {
                Precision::Fp16 => {
                    let words: Vec<f32> = gpu.stream.download(out, 4 * threads)?;
                    words.into_iter().map(integer).collect()
                }
                Precision::Int8 => {
                    let words: Vec<i32> = gpu.stream.download(out, 4 * threads)?;
                    words
                        .into_iter()
                        .map(|word| i64::from(word) as u64)
                        .collect()
                }
            };
            Ok(compare(&expected, &observed))
        }),
        last: Default::default(),
    })
}

/// The integer that `value` is, or a value that no reference has.
fn integer(value: f32) -> u64 {
    match value.fract() == 0.0 && value.abs() < 1e15 {
        true => value as i64 as u64,
        false => u64::MAX / 2,
    }
}

fn kv_read<'a>(
    gpu: &'a Gpu,
    arena: &mut Arena,
    case: &Case,
    seed: u64,
) -> Result<GpuWork<'a>, CudaError> {
    let Job::KvRead { shape } = case.job else {
        unreachable!("prepare passes KV reads only")
    };
    let rotation = case.rotation;
    let span = input(gpu, arena, rotation.total_bytes, seed)?;
    let (operations, buffer, half) = (
        case.operations_per_sample,
        rotation.bytes_per_buffer,
        rotation.bytes_per_buffer / 2,
    );
    let sum_bytes = u64::from(gpu.memory.kv_sums(shape)) * 8;
    let out = arena.take(operations * sum_bytes)?;
    let buffers: Vec<u64> = (0..rotation.buffers)
        .map(|index| range_sum(seed, index * buffer / 8, buffer / 8))
        .collect();
    let expected = (0..operations as usize)
        .map(|op| buffers[op % buffers.len()])
        .collect();
    let graph = gpu.stream.capture(|stream| {
        for operation in 0..operations {
            let at = operation % rotation.buffers * buffer;
            let (keys, values) = (span.part(at, half)?, span.part(at + half, half)?);
            let sums = out.part(operation * sum_bytes, sum_bytes)?;
            gpu.memory.kv_read(stream, shape, keys, values, sums)?;
        }
        Ok(())
    })?;
    Ok(summing(gpu, out, expected, replay(gpu, graph)))
}

fn expert_fetch<'a>(
    gpu: &'a Gpu,
    arena: &mut Arena,
    case: &Case,
    seed: u64,
) -> Result<GpuWork<'a>, CudaError> {
    let Job::ExpertFetch {
        experts,
        used,
        bytes_per_expert,
    } = case.job
    else {
        unreachable!("prepare passes expert fetches only")
    };
    let memory = ExpertMemory {
        experts: u64::from(experts),
        bytes_per_expert,
    };
    let rotating = case.cache == Cache::Cold;
    let fetches = fetches(seed, experts, used, case.operations_per_sample, rotating);
    let layers = fetches
        .iter()
        .map(|fetch| fetch.layer + 1)
        .max()
        .unwrap_or(1);
    let span = input(gpu, arena, layers * memory.layer_bytes(), seed)?;
    let ids: Vec<u32> = fetches
        .iter()
        .flat_map(|fetch| fetch.ids.iter().copied())
        .collect();
    let id_span = arena.take(ids.len() as u64 * 4)?;
    gpu.stream.upload(&ids, id_span)?;
    let sum_bytes = u64::from(gpu.memory.expert_sums()) * 8;
    let out = arena.take(fetches.len() as u64 * sum_bytes)?;
    let graph = gpu.stream.capture(|stream| {
        for (operation, fetch) in (0..).zip(&fetches) {
            let mut spans = [span; 3];
            for (tensor, part) in spans.iter_mut().enumerate() {
                let bytes = memory.experts * bytes_per_expert[tensor];
                *part = span.part(memory.tensor_offset(fetch.layer, tensor), bytes)?;
            }
            let tensors = ExpertTensors {
                spans,
                bytes_per_expert,
            };
            let id_bytes = u64::from(used) * 4;
            let ids = id_span.part(operation * id_bytes, id_bytes)?;
            let sums = out.part(operation * sum_bytes, sum_bytes)?;
            gpu.memory.expert_fetch(stream, &tensors, ids, used, sums)?;
        }
        Ok(())
    })?;
    let expected = memory.sums(seed, &fetches);
    Ok(summing(gpu, out, expected, replay(gpu, graph)))
}
