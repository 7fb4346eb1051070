//! The decode cases on a GPU: KV reads and expert fetches, each operation one node of a graph.

use std::{cell::Cell, rc::Rc};

use super::{
    super::{Case, ExpertSets},
    gpu::Gpu,
    gpu_work::{GpuWork, POISON, compare, input, launch_sums, replay, summing},
    reference::{ExpertMemory, fetches, range_sum},
};
use crate::{
    device::cuda::{Arena, CudaError, Graph, Span, Stream},
    kernels::{ExpertTensors, KvShape},
    result::Cache,
};

pub(super) fn kv_read<'a>(
    gpu: &'a Gpu,
    arena: &mut Arena,
    case: &Case,
    seed: u64,
    shape: KvShape,
) -> Result<GpuWork<'a>, CudaError> {
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

pub(super) fn expert_fetch<'a>(
    gpu: &'a Gpu,
    arena: &mut Arena,
    case: &Case,
    seed: u64,
    sets: ExpertSets,
) -> Result<GpuWork<'a>, CudaError> {
    let ExpertSets {
        experts,
        used,
        bytes_per_expert,
        sets,
    } = sets;
    let memory = ExpertMemory {
        experts: u64::from(experts),
        bytes_per_expert,
    };
    let fetches = fetches(seed, experts, used, sets);
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
    let (id_bytes, sum_bytes) = (u64::from(used) * 4, u64::from(gpu.memory.expert_sums()) * 8);
    let operations = case.operations_per_sample;
    let out = arena.take(operations * sum_bytes)?;
    // Operation `operation` of a sample fetches set `set`.
    let fetch = |stream: &Stream, operation: u64, set: usize| {
        let mut spans = [span; 3];
        for (tensor, part) in spans.iter_mut().enumerate() {
            let bytes = memory.experts * bytes_per_expert[tensor];
            *part = span.part(memory.tensor_offset(fetches[set].layer, tensor), bytes)?;
        }
        let tensors = ExpertTensors {
            spans,
            bytes_per_expert,
        };
        let ids = id_span.part(set as u64 * id_bytes, id_bytes)?;
        let sums = out.part(operation * sum_bytes, sum_bytes)?;
        gpu.memory.expert_fetch(stream, &tensors, ids, used, sums)
    };
    let sums = memory.sums(seed, &fetches);
    if case.cache == Cache::Cold {
        let graph = gpu.stream.capture(|stream| {
            (0..operations).try_for_each(|operation| fetch(stream, operation, operation as usize))
        })?;
        return Ok(summing(gpu, out, sums, replay(gpu, graph)));
    }
    let graphs = (0..fetches.len())
        .map(|set| {
            gpu.stream.capture(|stream| {
                (0..operations).try_for_each(|operation| fetch(stream, operation, set))
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(taking_turns(gpu, out, operations, sums, graphs))
}

/// One graph per sample in turn, replayed once before the clock starts, so that its inputs are where the last use left
/// them; graph i leaves sums that all equal `expected[i]`.
fn taking_turns<'a>(
    gpu: &'a Gpu,
    out: Span,
    operations: u64,
    expected: Vec<u64>,
    graphs: Vec<Graph>,
) -> GpuWork<'a> {
    let graphs = Rc::new(graphs);
    let turn = Rc::new(Cell::new(0));
    let (warmed, timed) = (
        (Rc::clone(&graphs), Rc::clone(&turn)),
        (graphs, Rc::clone(&turn)),
    );
    GpuWork {
        gpu,
        before: Box::new(move || {
            let (graphs, turn) = &warmed;
            turn.set((turn.get() + 1) % graphs.len());
            gpu.stream.replay(&graphs[turn.get()])?;
            gpu.stream.fill(out, POISON)
        }),
        timed: Box::new(move || gpu.stream.replay(&timed.0[timed.1.get()])),
        compare: Box::new(move || {
            let expected = vec![expected[turn.get()]; operations as usize];
            Ok(compare(&expected, &launch_sums(gpu, out, expected.len())?))
        }),
        last: Default::default(),
    }
}
