//! Very small models of odd sizes with synthetic values, for tests to change and to run. No program uses them.

use half::{bf16, f16};

use crate::gguf::{Gguf, Value, writer};
use crate::quant::{TensorType, dequantize};

use super::synth::lay_out;
use super::{Architecture, Gemma4, LayerKind, Mix, Model, Qwen35Moe, TensorShape};

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

/// [`micro_qwen35moe`] with rows that fill the blocks of every type.
pub(crate) fn wide_qwen35moe() -> Qwen35Moe {
    Qwen35Moe {
        layers: vec![LayerKind::GatedDeltaNet, LayerKind::FullAttention],
        embedding: 256,
        experts: 3,
        experts_used: 2,
        expert_width: 256,
        ..micro_qwen35moe()
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
    /// A file of `architecture` with values from `seed`. Every matrix has type `ty`, but for those whose rows do not fill
    /// whole blocks of it and those that are F32 in every file.
    pub fn new(architecture: &Architecture, seed: u64, ty: TensorType) -> Self {
        let type_of = |tensor: &TensorShape| {
            let always_f32 = ["norm", "ffn_gate_inp", "conv1d"];
            let fits = tensor.dims[0].is_multiple_of(ty.block_elements());
            let quantised =
                tensor.dims.len() > 1 && !always_f32.iter().any(|part| tensor.name.contains(part));
            if fits && quantised {
                ty
            } else {
                TensorType::F32
            }
        };
        let types: Vec<_> = architecture.tensors().iter().map(type_of).collect();
        Sample::with_types(architecture, seed, &types)
    }

    /// A file of `architecture` with values from `seed` and a type for each of its tensors.
    pub fn with_types(architecture: &Architecture, seed: u64, types: &[TensorType]) -> Self {
        let name = Value::String(architecture.name().to_owned());
        let mut metadata = vec![("general.architecture".to_owned(), name)];
        metadata.extend(architecture.metadata());
        let shapes = architecture.tensors().into_iter().zip(types);
        let table: Vec<_> = shapes
            .map(|(shape, ty)| (shape.name, shape.dims, *ty))
            .collect();
        let plan = lay_out(architecture, &metadata, &table, seed).unwrap();
        let tensor = |(name, dims, ty): (String, Vec<u64>, TensorType)| SampleTensor {
            bytes: plan.tensor_bytes(&name).unwrap(),
            name,
            dims,
            ty,
        };
        Sample {
            tensors: table.into_iter().map(tensor).collect(),
            metadata,
        }
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

    /// Takes out the tensor called `name`.
    pub fn remove(&mut self, name: &str) -> SampleTensor {
        let found = self.tensors.iter().position(|tensor| tensor.name == name);
        self.tensors.remove(found.unwrap())
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

impl SampleTensor {
    /// Its values.
    pub fn values(&self) -> Vec<f32> {
        let elements: u64 = self.dims.iter().product();
        let mut values = vec![0.0; elements as usize];
        dequantize(self.ty, &self.bytes, &mut values).unwrap();
        values
    }

    /// Stores the same values as F32.
    pub fn widen(&mut self) {
        self.bytes = self
            .values()
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.ty = TensorType::F32;
    }

    /// Stores the values as F16 or BF16, rounded.
    pub fn narrow(&mut self, ty: TensorType) {
        let halve = |value: f32| match ty {
            TensorType::F16 => f16::from_f32(value).to_le_bytes(),
            _ => bf16::from_f32(value).to_le_bytes(),
        };
        self.bytes = self.values().into_iter().flat_map(halve).collect();
        self.ty = ty;
    }
}

/// Every mix of both models, in sizes that give its tensors all the types that the full file has.
pub(crate) fn mixed_samples() -> Vec<(String, Sample)> {
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
            Mix::of(*model).iter().map(move |mix| {
                let types = mix.types(architecture);
                let sample = Sample::with_types(architecture, 2, &types);
                (format!("{model} {}", mix.name()), sample)
            })
        })
        .collect()
}

/// Token ids without a pattern, all below 40.
pub(crate) fn ids(count: usize) -> Vec<u32> {
    (0..count as u32)
        .map(|index| (index * index * 7 + index * 3) % 37)
        .collect()
}
