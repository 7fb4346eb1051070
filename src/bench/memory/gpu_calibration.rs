//! The calibration cases on a GPU: peak rates, cache curve, latencies, edges, tensor cores.

use super::{
    super::{Case, Job},
    gpu::Gpu,
    gpu_work::{GpuWork, POISON, Step, compare, input, replay, summing, writing},
    reference::range_sum,
    tensor_reference::TensorReference,
};
use crate::{
    device::{
        cuda::{Arena, CudaError},
        generator,
    },
    kernels::{ChaseLevel, Cycle, Edge, Precision},
};

pub(super) fn read<'a>(
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

pub(super) fn write<'a>(
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

pub(super) fn copy<'a>(
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

pub(super) fn chase<'a>(
    gpu: &'a Gpu,
    arena: &mut Arena,
    case: &Case,
    seed: u64,
    level: ChaseLevel,
    stride: u64,
) -> Result<GpuWork<'a>, CudaError> {
    let bytes = case.rotation.total_bytes;
    let next: Vec<u32> = generator::cycle(seed, (bytes / stride) as usize)
        .into_iter()
        .map(|node| node as u32)
        .collect();
    let cycle = Cycle {
        span: arena.take(bytes)?,
        stride,
    };
    let table = arena.take(next.len() as u64 * 4)?;
    let (start, end) = (arena.take(8)?, arena.take(8)?);
    gpu.stream.upload(&next, table)?;
    gpu.calibration.link_nodes(&gpu.stream, table, cycle)?;
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
                .chase(&gpu.stream, level, cycle, hops, start, end)
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

pub(super) fn edge<'a>(
    gpu: &'a Gpu,
    arena: &mut Arena,
    case: &Case,
    edge: Edge,
    graph: bool,
) -> Result<GpuWork<'a>, CudaError> {
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
    let result = if stages.is_multiple_of(2) { a } else { b };
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

pub(super) fn tensor<'a>(
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
