//! The decode cases on a GPU: KV reads and expert fetches, each operation one node of a graph.

use super::{
    super::{Case, Job},
    gpu::Gpu,
    gpu_work::{GpuWork, input, replay, summing},
    reference::{ExpertMemory, fetches, range_sum},
};
use crate::{
    device::cuda::{Arena, CudaError},
    kernels::ExpertTensors,
    result::Cache,
};

pub(super) fn kv_read<'a>(
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

pub(super) fn expert_fetch<'a>(
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
