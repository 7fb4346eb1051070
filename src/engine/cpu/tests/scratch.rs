//! Models for the tests, opened from files that are gone afterwards.

use std::path::Path;

use crate::engine::cpu::CpuEngine;
use crate::engine::{Engine, EngineError, Options};
use crate::model::Architecture;
use crate::model::sample::{Sample, micro_gemma4, micro_qwen35moe};
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
