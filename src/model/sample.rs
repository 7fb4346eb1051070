//! Very small models of odd sizes with synthetic values, for tests to change and to run. No program uses them.

use crate::gguf::{Gguf, Value, writer};
use crate::quant::TensorType;

use super::synth::lay_out;
use super::{Architecture, Gemma4, LayerKind, Qwen35Moe};

/// A `qwen35moe` in which no two sizes are equal that could be mistaken for each other.
pub(crate) fn micro_qwen35moe() -> Qwen35Moe {
    let kinds = [LayerKind::GatedDeltaNet, LayerKind::FullAttention];
    Qwen35Moe {
        layers: kinds.repeat(2),
        embedding: 24,
        vocabulary: 40,
        context: 4096,
        query_heads: 6,
        kv_heads: 2,
        head_dim: 10,
        rotary_dim: 6,
        rope_base: 1e4,
        rms_epsilon: 1e-5,
        experts: 7,
        experts_used: 3,
        expert_width: 12,
        shared_expert_width: 14,
        conv_kernel: 3,
        state_size: 8,
        value_dim: 5,
        key_heads: 2,
        value_heads: 6,
        ..Qwen35Moe::full()
    }
}

/// A `gemma4` in which no two sizes are equal that could be mistaken for each other.
pub(crate) fn micro_gemma4() -> Gemma4 {
    let kinds = [LayerKind::SlidingAttention, LayerKind::FullAttention];
    Gemma4 {
        layers: kinds.repeat(2),
        embedding: 20,
        vocabulary: 40,
        context: 4096,
        dense_width: 14,
        query_heads: 6,
        sliding_kv_heads: 3,
        full_kv_heads: 2,
        sliding_head_dim: 8,
        full_head_dim: 16,
        sliding_rotary_dim: 8,
        full_rotary_dim: 16,
        window: 5,
        logit_cap: 9.0,
        experts: 7,
        experts_used: 3,
        expert_width: 10,
        ..Gemma4::full()
    }
}

/// A whole file in memory, to be changed before it is laid out.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub metadata: Vec<(String, Value)>,
    pub tensors: Vec<SampleTensor>,
}

/// A tensor and its values.
#[derive(Debug, Clone)]
pub(crate) struct SampleTensor {
    pub name: String,
    pub dims: Vec<u64>,
    pub ty: TensorType,
    pub bytes: Vec<u8>,
}

impl Sample {
    /// A file of `architecture` with values from `seed`; `ty` says the type of each tensor of two or more dimensions
    /// that is not F32 in every file.
    pub fn new(architecture: &Architecture, seed: u64, ty: TensorType) -> Self {
        let always_f32 = |name: &str| {
            ["norm", "ffn_gate_inp", "conv1d"]
                .iter()
                .any(|part| name.contains(part))
        };
        let tensors = architecture.tensors();
        let types: Vec<TensorType> = tensors
            .iter()
            .map(|tensor| match tensor.dims.len() {
                2.. if !always_f32(&tensor.name) => ty,
                _ => TensorType::F32,
            })
            .collect();
        Self::with_types(architecture, seed, &types)
    }

    /// A file of `architecture` with values from `seed` and a type for each of its tensors.
    pub fn with_types(architecture: &Architecture, seed: u64, types: &[TensorType]) -> Self {
        let name = Value::String(architecture.name().to_owned());
        let mut metadata = vec![("general.architecture".to_owned(), name)];
        metadata.extend(architecture.metadata());
        let tensors: Vec<_> = architecture
            .tensors()
            .into_iter()
            .zip(types)
            .map(|(tensor, ty)| (tensor.name, tensor.dims, *ty))
            .collect();
        let plan = lay_out(architecture, &metadata, &tensors, seed).unwrap();
        let tensors = tensors
            .into_iter()
            .map(|(name, dims, ty)| SampleTensor {
                bytes: plan.tensor_bytes(&name).unwrap(),
                name,
                dims,
                ty,
            })
            .collect();
        Sample { metadata, tensors }
    }

    /// Gives `key` this value.
    pub fn set(&mut self, key: &str, value: Value) {
        self.metadata.retain(|(other, _)| other != key);
        self.metadata.push((key.to_owned(), value));
    }

    /// The tensor called `name`.
    pub fn tensor(&mut self, name: &str) -> &mut SampleTensor {
        let mut tensors = self.tensors.iter_mut();
        tensors.find(|tensor| tensor.name == name).unwrap()
    }

    /// The file.
    pub fn file(&self) -> Gguf<Vec<u8>> {
        Gguf::parse(self.bytes()).unwrap()
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> Vec<u8> {
        let row = |tensor: &SampleTensor| (tensor.name.clone(), tensor.dims.clone(), tensor.ty);
        let table: Vec<_> = self.tensors.iter().map(row).collect();
        let header = writer::header(&self.metadata, &table, 32).unwrap();
        let mut bytes = header.bytes;
        for (info, tensor) in header.tensors.iter().zip(&self.tensors) {
            bytes.resize(info.offset as usize, 0);
            bytes.extend(&tensor.bytes);
        }
        bytes.resize(header.file_bytes as usize, 0);
        bytes
    }
}
