//! Models for the tests, opened from files that are gone afterwards.

use std::path::Path;

use crate::engine::cpu::CpuEngine;
use crate::engine::{Engine, EngineError, Options};
use crate::model::sample::{Sample, micro_gemma4, micro_qwen35moe};
use crate::model::{Architecture, Gemma4, LayerKind, Mix, Model, Qwen35Moe};
use crate::quant::TensorType;

/// Threads of the engines here: more than one, and more than some of the models have rows to share.
pub const THREADS: usize = 3;

/// Both architectures in odd sizes, F32 throughout.
pub fn micro_samples() -> [Sample; 2] {
    [
        Architecture::Qwen35Moe(micro_qwen35moe()),
        Architecture::Gemma4(micro_gemma4()),
    ]
    .map(|architecture| Sample::new(&architecture, 1, TensorType::F32))
}

/// Every mix of both models, in sizes that give its tensors all the types that the full file has.
pub fn mixed_samples() -> Vec<(Mix, Sample)> {
    let qwen = Architecture::Qwen35Moe(Qwen35Moe {
        layers: [LayerKind::GatedDeltaNet, LayerKind::FullAttention].repeat(2),
        embedding: 256,
        vocabulary: 61,
        query_heads: 4,
        kv_heads: 2,
        head_dim: 64,
        rotary_dim: 16,
        experts: 5,
        experts_used: 2,
        expert_width: 256,
        shared_expert_width: 256,
        state_size: 32,
        value_dim: 64,
        key_heads: 2,
        value_heads: 4,
        ..Qwen35Moe::tiny()
    });
    let gemma = Architecture::Gemma4(Gemma4 {
        layers: [LayerKind::SlidingAttention, LayerKind::FullAttention].repeat(2),
        embedding: 256,
        vocabulary: 61,
        dense_width: 288,
        query_heads: 4,
        sliding_kv_heads: 2,
        full_kv_heads: 1,
        sliding_head_dim: 64,
        full_head_dim: 128,
        sliding_rotary_dim: 64,
        full_rotary_dim: 128,
        window: 4,
        experts: 5,
        experts_used: 2,
        expert_width: 96,
        ..Gemma4::tiny()
    });
    [(Model::Qwen35, qwen), (Model::Gemma4, gemma)]
        .iter()
        .flat_map(|(model, architecture)| {
            Mix::of(*model).iter().map(|mix| {
                let types = mix.types(architecture);
                (*mix, Sample::with_types(architecture, 2, &types))
            })
        })
        .collect()
}

/// Token ids without a pattern, all below 40.
pub fn ids(count: usize) -> Vec<u32> {
    (0..count as u32)
        .map(|index| (index * index * 7 + index * 3) % 37)
        .collect()
}

/// Opens a sample.
pub fn open(sample: &Sample) -> CpuEngine {
    try_open(sample, Options::default()).unwrap()
}

/// Opens a sample with options; the threads are those of the tests where none are asked for.
pub fn try_open(sample: &Sample, options: Options) -> Result<CpuEngine, EngineError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, sample.bytes()).unwrap();
    open_path(&path, options)
}

fn open_path(path: &Path, options: Options) -> Result<CpuEngine, EngineError> {
    CpuEngine::open(
        path,
        Options {
            threads: options.threads.or(Some(THREADS)),
            ..options
        },
    )
}

/// The logits behind the last of `ids`, appended together.
pub fn logits(sample: &Sample, ids: &[u32]) -> Vec<f32> {
    let mut engine = open(sample);
    engine.prefill(ids).unwrap();
    engine.logits().to_vec()
}
