//! Very small models in sizes that there are kernels for.

use crate::model::sample::Sample;
use crate::model::{Architecture, Gemma4, LayerKind, Qwen35Moe};
use crate::quant::TensorType;

/// Rows that fill no block of any quantised type, heads in groups of three.
pub fn odd_qwen() -> Architecture {
    Architecture::Qwen35Moe(Qwen35Moe {
        layers: [LayerKind::GatedDeltaNet, LayerKind::FullAttention].repeat(2),
        embedding: 40,
        vocabulary: 61,
        context: 4096,
        query_heads: 6,
        kv_heads: 2,
        head_dim: 64,
        rotary_dim: 6,
        rope_base: 1e4,
        rms_epsilon: 1e-5,
        experts: 7,
        experts_used: 3,
        expert_width: 24,
        shared_expert_width: 56,
        conv_kernel: 3,
        state_size: 32,
        value_dim: 48,
        key_heads: 2,
        value_heads: 6,
        ..Qwen35Moe::full()
    })
}

/// As [`odd_qwen`], with a window that a few tokens cross.
pub fn odd_gemma() -> Architecture {
    Architecture::Gemma4(Gemma4 {
        layers: [LayerKind::SlidingAttention, LayerKind::FullAttention].repeat(2),
        embedding: 40,
        vocabulary: 61,
        context: 4096,
        dense_width: 24,
        query_heads: 6,
        sliding_kv_heads: 3,
        full_kv_heads: 2,
        sliding_head_dim: 64,
        full_head_dim: 128,
        sliding_rotary_dim: 64,
        full_rotary_dim: 128,
        window: 5,
        logit_cap: 9.0,
        experts: 7,
        experts_used: 3,
        expert_width: 8,
        ..Gemma4::full()
    })
}

/// Both architectures in odd sizes with weights of every type that is not quantised.
pub fn float_samples() -> Vec<(String, Sample)> {
    let types = [TensorType::F32, TensorType::F16, TensorType::BF16];
    [odd_qwen(), odd_gemma()]
        .iter()
        .flat_map(|architecture| {
            types.map(|ty| {
                let mut sample = Sample::new(architecture, 1, TensorType::F32);
                if ty != TensorType::F32 {
                    let matrices = sample.tensors.iter_mut();
                    matrices
                        .filter(|tensor| tensor.dims.len() > 1)
                        .for_each(|tensor| tensor.narrow(ty));
                }
                (format!("{} {ty}", architecture.name()), sample)
            })
        })
        .collect()
}
