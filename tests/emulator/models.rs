//! Small models of odd sizes whose matrices have many types: files of random blocks, scaled so that a matrix keeps the
//! size of what it multiplies.

use sparkbench::gguf::{Value, writer};
use sparkbench::model::{Architecture, Gemma4, LayerKind, Qwen35Moe, TensorShape};
use sparkbench::quant::TensorType::{self, *};

/// Sizes that no vector of the kernels divides evenly; rows too short for K types.
pub fn odd_qwen() -> Architecture {
    let (delta, full) = (LayerKind::GatedDeltaNet, LayerKind::FullAttention);
    Architecture::Qwen35Moe(Qwen35Moe {
        layers: vec![delta, full, delta],
        embedding: 96,
        vocabulary: 333,
        context: 512,
        query_heads: 6,
        kv_heads: 2,
        head_dim: 64,
        rotary_dim: 24,
        experts: 9,
        experts_used: 3,
        expert_width: 40,
        shared_expert_width: 32,
        conv_kernel: 3,
        state_size: 64,
        value_dim: 48,
        key_heads: 3,
        value_heads: 6,
        ..Qwen35Moe::full()
    })
}

/// Rows that every type divides.
pub fn even_qwen() -> Architecture {
    let (delta, full) = (LayerKind::GatedDeltaNet, LayerKind::FullAttention);
    Architecture::Qwen35Moe(Qwen35Moe {
        layers: vec![delta, delta, full],
        embedding: 256,
        vocabulary: 200,
        context: 512,
        query_heads: 8,
        kv_heads: 1,
        head_dim: 128,
        rotary_dim: 64,
        experts: 6,
        experts_used: 2,
        expert_width: 256,
        shared_expert_width: 512,
        state_size: 128,
        value_dim: 128,
        key_heads: 1,
        value_heads: 2,
        ..Qwen35Moe::full()
    })
}

/// A model that decodes quickly.
pub fn short_qwen() -> Architecture {
    let (delta, full) = (LayerKind::GatedDeltaNet, LayerKind::FullAttention);
    Architecture::Qwen35Moe(Qwen35Moe {
        layers: vec![delta, full],
        embedding: 64,
        vocabulary: 256,
        context: 512,
        query_heads: 2,
        kv_heads: 1,
        head_dim: 64,
        rotary_dim: 16,
        experts: 4,
        experts_used: 2,
        expert_width: 32,
        shared_expert_width: 32,
        state_size: 32,
        value_dim: 32,
        key_heads: 1,
        value_heads: 2,
        ..Qwen35Moe::full()
    })
}

/// A window of 8 positions; groups of 2 and of 3 query heads.
pub fn odd_gemma() -> Architecture {
    let (sliding, full) = (LayerKind::SlidingAttention, LayerKind::FullAttention);
    Architecture::Gemma4(Gemma4 {
        layers: vec![sliding, full, sliding],
        embedding: 160,
        vocabulary: 301,
        context: 512,
        dense_width: 96,
        query_heads: 6,
        sliding_kv_heads: 3,
        full_kv_heads: 2,
        sliding_head_dim: 64,
        full_head_dim: 128,
        sliding_rotary_dim: 64,
        full_rotary_dim: 128,
        window: 8,
        experts: 7,
        experts_used: 2,
        expert_width: 48,
        ..Gemma4::full()
    })
}

/// Rows that every type divides; the widest heads.
pub fn even_gemma() -> Architecture {
    let (sliding, full) = (LayerKind::SlidingAttention, LayerKind::FullAttention);
    Architecture::Gemma4(Gemma4 {
        layers: vec![sliding, full],
        embedding: 256,
        vocabulary: 200,
        context: 512,
        dense_width: 512,
        query_heads: 4,
        sliding_kv_heads: 2,
        full_kv_heads: 1,
        window: 10,
        experts: 5,
        experts_used: 3,
        expert_width: 256,
        ..Gemma4::full()
    })
}

/// The same with room for more tokens than any graph but the last is for.
pub fn in_long_contexts(mut architecture: Architecture) -> Architecture {
    match &mut architecture {
        Architecture::Qwen35Moe(shape) => shape.context = 20_000,
        Architecture::Gemma4(shape) => shape.context = 20_000,
    }
    architecture
}

/// Types of matrices.
const TYPES: [TensorType; 9] = [F32, F16, BF16, Q8_0, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K];

/// Type number `seed` (and so on, from matrix to matrix) of those that a row can have. What is no product stays F32.
fn type_of(shape: &TensorShape, number: usize) -> TensorType {
    let row = shape.dims[0];
    let is_product = shape.dims.len() > 1 && !shape.name.contains("conv1d");
    let fits = |ty: &&TensorType| match ty {
        F32 => true,
        F16 | BF16 => row.is_multiple_of(8),
        other => row.is_multiple_of(other.block_elements()),
    };
    let fitting: Vec<_> = TYPES.iter().filter(fits).collect();
    match is_product {
        true => *fitting[number % fitting.len()],
        false => F32,
    }
}

/// A GGUF file of `architecture` whose values and types follow from `seed`.
pub fn file(architecture: &Architecture, seed: u64) -> Vec<u8> {
    let name = Value::String(architecture.name().to_owned());
    let mut metadata = vec![("general.architecture".to_owned(), name)];
    metadata.extend(architecture.metadata());
    let is_gemma = matches!(architecture, Architecture::Gemma4(_));
    let mut random = Random(seed);
    let shapes = architecture.tensors().into_iter();
    let mut table: Vec<(String, Vec<u64>, TensorType)> = Vec::new();
    for shape in shapes {
        let drawn = type_of(&shape, random.bits() as usize);
        // Of a gated MLP both projections have one type.
        let other = match shape.name.contains("_up") {
            true => shape.name.replace("_up", "_gate"),
            false => shape.name.replace("_gate", "_up"),
        };
        let pair = table.iter().find(|(name, ..)| *name == other);
        let ty = pair
            .filter(|_| other != shape.name)
            .map_or(drawn, |pair| pair.2);
        table.push((shape.name, shape.dims, ty));
    }
    let header = writer::header(&metadata, &table, 32).unwrap();
    let mut bytes = header.bytes;
    for info in &header.tensors {
        bytes.resize(info.offset as usize, 0);
        let (about, spread) = match info.dims[..] {
            // Scores of about 1, which nothing else divides: with large ones attention is a choice, and rounding decides.
            [_] if is_gemma && (info.name.contains("q_norm") || info.name.contains("k_norm")) => {
                (0.3, 0.03)
            }
            [_] if info.name.contains("norm") || info.name.contains("scale") => (1.0, 0.1),
            [_] if info.name.contains("rope_freqs") => (1.0, 0.0),
            [_] => (-0.5, 0.4),
            [row, ..] => (0.0, (1.0 / row as f32).sqrt()),
            [] => unreachable!(),
        };
        let blocks = info.elements() / info.ty.block_elements();
        (0..blocks).for_each(|_| block(info.ty, about, spread, &mut random, &mut bytes));
    }
    bytes.resize(header.file_bytes as usize, 0);
    bytes
}

/// Appends a block whose values have mean `about` (types without blocks) or 0, and standard deviation `spread`.
fn block(ty: TensorType, about: f32, spread: f32, random: &mut Random, out: &mut Vec<u8>) {
    let one = |random: &mut Random| about + spread * 3f32.sqrt() * random.uniform();
    let half = |x: f32| half::f16::from_f32(x).to_le_bytes();
    let start = out.len();
    match ty {
        F32 => return out.extend(one(random).to_le_bytes()),
        F16 => return out.extend(half(one(random))),
        BF16 => return out.extend(&one(random).to_le_bytes()[2..]),
        _ => out.extend((0..ty.block_bytes()).map(|_| random.bits() as u8)),
    }
    // Deviations of the random codes; products of codes and their 6-bit or 8-bit scales, for K types.
    let (at, d, minimum) = match ty {
        Q8_0 => (0, spread / 74.0, None),
        Q5_0 => (0, spread / 9.2, None),
        Q5_1 => (0, spread / 9.2, Some(-15.5)),
        Q4_K => (0, spread / 257.0, Some(7.5)),
        Q5_K => (0, spread / 522.0, Some(15.5)),
        Q6_K => (208, spread / 1369.0, None),
        other => panic!("{other} has no blocks here"),
    };
    let mut put = |at: usize, x: f32| out[start + at..start + at + 2].copy_from_slice(&half(x));
    put(at, d);
    if let Some(factor) = minimum {
        put(at + 2, d * factor);
    }
}

/// The upper bits of a linear congruential generator (Knuth's MMIX).
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 36) as u32
    }

    /// Between -1 and 1.
    fn uniform(&mut self) -> f32 {
        self.bits() as f32 / (1 << 27) as f32 - 1.0
    }
}
