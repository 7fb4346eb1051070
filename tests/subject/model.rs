//! Two models of one small shape and different weights, in files that are kept until the tests are done.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use sparkbench::gguf::{Value, writer};
use sparkbench::model::{Architecture, LayerKind, Qwen35Moe};
use sparkbench::quant::TensorType;

static FILES: LazyLock<(tempfile::TempDir, [PathBuf; 2])> = LazyLock::new(|| {
    let directory = tempfile::tempdir().unwrap();
    let paths = [1, 2].map(|seed| {
        let path = directory.path().join(format!("{seed}.gguf"));
        std::fs::write(&path, file(seed, vec![])).unwrap();
        path
    });
    (directory, paths)
});

pub fn model() -> &'static Path {
    &FILES.1[0]
}

#[allow(dead_code, reason = "not every test needs another")]
pub fn other_model() -> &'static Path {
    &FILES.1[1]
}

/// Small, so that unoptimised builds decode it in milliseconds, but not so small that optimised ones decode it in less
/// than the tens of microseconds that a token takes at least.
pub fn architecture() -> Architecture {
    let kinds = [LayerKind::GatedDeltaNet, LayerKind::FullAttention];
    Architecture::Qwen35Moe(Qwen35Moe {
        layers: kinds.repeat(2),
        embedding: 64,
        vocabulary: 1024,
        context: 4096,
        query_heads: 4,
        kv_heads: 2,
        head_dim: 32,
        rotary_dim: 16,
        experts: 16,
        experts_used: 4,
        expert_width: 32,
        shared_expert_width: 32,
        state_size: 32,
        value_dim: 32,
        key_heads: 2,
        value_heads: 4,
        ..Qwen35Moe::full()
    })
}

/// A GGUF file with F32 values from `seed`: norms about 1, matrices that keep the size of what they multiply. `more`
/// is metadata beside the model's.
pub fn file(seed: u64, more: Vec<(String, Value)>) -> Vec<u8> {
    let architecture = architecture();
    let name = Value::String(architecture.name().to_owned());
    let mut metadata = vec![("general.architecture".to_owned(), name)];
    metadata.extend(architecture.metadata());
    metadata.extend(more);
    let shapes = architecture.tensors().into_iter();
    let table: Vec<_> = shapes
        .map(|shape| (shape.name, shape.dims, TensorType::F32))
        .collect();
    let header = writer::header(&metadata, &table, 32).unwrap();
    let mut bytes = header.bytes;
    let mut state = seed;
    for info in &header.tensors {
        bytes.resize(info.offset as usize, 0);
        let (about, spread) = match info.dims[..] {
            [_] if info.name.contains("norm") => (1.0, 0.1),
            [_] => (-0.5, 0.4),
            [row, ..] => (0.0, (3.0 / row as f32).sqrt()),
            [] => unreachable!(),
        };
        for _ in 0..info.elements() {
            let value: f32 = about + spread * uniform(&mut state);
            bytes.extend(value.to_le_bytes());
        }
    }
    bytes.resize(header.file_bytes as usize, 0);
    bytes
}

/// Between -1 and 1: the upper bits of a linear congruential generator (Knuth's MMIX).
fn uniform(state: &mut u64) -> f32 {
    *state = state
        .wrapping_mul(6364136223846793005)
        .wrapping_add(1442695040888963407);
    (*state >> 40) as f32 / (1 << 23) as f32 - 1.0
}
