//! The records against the sizes that the kernels assert, and the planes against the blocks of the file.

use crate::device::cuda::Parameters;
use crate::quant::TensorType;

use super::*;

const MATRIX: Matrix = Matrix {
    planes: [Address(1), Address(2), Address(3), Address(4)],
    ty: TensorType::Q6_K,
    columns: 256,
};

fn norms(kind: NormKind) -> Norms {
    Norms {
        x: Address(16),
        kind,
        weights: [Address(32), Address::NULL],
        columns: 256,
        epsilon: 1e-6,
    }
}

fn up() -> ExpertsUp {
    ExpertsUp {
        norms: norms(NormKind::Norm),
        gate: MATRIX,
        up: MATRIX,
        router: Address(1),
        expert_scale: Address(2),
        token: Address(3),
        chosen: Address(4),
        weight: Address(5),
        trace: Address(6),
        out: Address(7),
        experts: 8,
        used: 9,
        width: 16,
        activation: Activation::Gelu,
        trace_stride: 11,
        trace_steps: 12,
    }
}

fn down() -> ExpertsDown {
    ExpertsDown {
        down: MATRIX,
        shared: MATRIX,
        chosen: Address(1),
        weight: Address(2),
        hidden: Address(3),
        shared_hidden: Address(4),
        shared_gate: Address(5),
        out: Address(6),
        shared_out: Address(7),
        experts: 8,
        used: 2,
        width: 256,
        rows: 12,
        shared_width: 256,
        add: true,
    }
}

fn attention(heads: u32, kv_heads: u32) -> Attention {
    let address = Address(8);
    Attention {
        token: address,
        query: address,
        key: address,
        value: address,
        query_norm: address,
        key_norm: address,
        frequency: address,
        keys: address,
        values: address,
        partial: address,
        out: address,
        arrivals: address,
        gate: address,
        gate_stride: 2,
        query_stride: 1,
        heads,
        kv_heads,
        head_dim: 64,
        rotary: 4,
        window: 5,
        capacity: 6,
        splits: 7,
        short_splits: 6,
        joins: false,
        value_norm: true,
        scale: 1.0,
        epsilon: 1e-6,
    }
}

#[test]
fn records_have_the_sizes_that_the_kernels_assert() {
    let address = Address(8);
    let segment = Segment {
        product: Product::Silu {
            gate: MATRIX,
            up: MATRIX,
        },
        out: address,
        rows: 1,
        vector: 0,
    };
    let head = Head {
        norms: norms(NormKind::Plain),
        matrix: MATRIX,
        logits: address,
        token: address,
        rows: 1,
        cap: 0.0,
    };
    let next = NextToken {
        embedding: MATRIX,
        token: address,
        forced: address,
        x: address,
        ring: address,
        scale: 1.0,
        vocabulary: 1,
        ring_size: 1,
    };
    let combine = Combine {
        token: address,
        partial: address,
        gate: address,
        out: address,
        gate_stride: 1,
        heads: 2,
        head_dim: 3,
        splits: 4,
        window: 5,
    };
    let delta = Delta {
        token: address,
        projected: address,
        alpha: address,
        beta: address,
        conv: address,
        decay: address,
        step_bias: address,
        window: address,
        state: address,
        out: address,
        key_heads: 1,
        value_heads: 2,
        key_dim: 3,
        value_dim: 4,
        taps: 5,
        epsilon: 1e-6,
    };
    let repack = planes(TensorType::Q6_K)
        .unwrap()
        .repack(address, [address; 4], 0, 1);
    let project = |count| Project {
        norms: norms(NormKind::Norm),
        segments: vec![segment; count],
    };
    let sizes = [
        MATRIX.parameters(),
        norms(NormKind::Norm).parameters(),
        project(1).parameters(132, 3),
        project(4).parameters(132, 1),
        head.parameters(3),
        up().parameters(3),
        down().parameters(132, 4),
        next.parameters(),
        attention(4, 2).parameters(),
        combine.parameters(),
        delta.parameters(),
        repack.parameters(),
    ]
    .map(|parameters: Parameters| parameters.size());
    assert_eq!(
        sizes,
        [40, 96, 656, 656, 176, 272, 216, 88, 152, 56, 104, 88]
    );
    assert_eq!(
        size_of_val(&Token::before(0, 1).words()) as u64,
        TOKEN_BYTES
    );
}

#[test]
fn a_run_begins_one_position_before_its_first_token() {
    let words = Token::before(0, 3).words();
    assert_eq!(words, [0xffff_ffff, 0xffff_ffff_0000_0003, 0]);
    assert_eq!(Token::before(8, 3).words()[0], 7);
}

#[test]
fn every_kind_of_norm_has_its_number_and_its_fields() {
    let [a, b, c] = [Address(64), Address(80), Address(96)];
    let kinds = [
        NormKind::Plain,
        NormKind::Norm,
        NormKind::AddNorm {
            a,
            weight: b,
            residual: c,
        },
        NormKind::GemmaNext {
            dense: a,
            experts: b,
            weights: [a, b, c],
            residual: c,
            scale: 0.5,
        },
        NormKind::HeadsGated {
            gate: a,
            weight: b,
            head: 128,
        },
    ];
    let expected = [
        Parameters::new()
            .u64(16)
            .u64(0)
            .u64(0)
            .u64(0)
            .u64(0)
            .u64(0)
            .u64(0),
        Parameters::new()
            .u64(16)
            .u64(0)
            .u64(0)
            .u64(0)
            .u64(0)
            .u64(0)
            .u64(0),
        Parameters::new()
            .u64(16)
            .u64(64)
            .u64(0)
            .u64(80)
            .u64(0)
            .u64(0)
            .u64(96),
        Parameters::new()
            .u64(16)
            .u64(64)
            .u64(80)
            .u64(64)
            .u64(80)
            .u64(96)
            .u64(96),
        Parameters::new()
            .u64(16)
            .u64(64)
            .u64(0)
            .u64(80)
            .u64(0)
            .u64(0)
            .u64(0),
    ];
    for (number, (kind, expected)) in kinds.into_iter().zip(expected).enumerate() {
        let (head, scale) = match number {
            3 => (0, 0.5),
            4 => (128, 1.0),
            _ => (0, 1.0),
        };
        let expected = expected
            .u64(32)
            .u64(0)
            .u32(number as u32)
            .u32(256)
            .u32(head)
            .u32(norms(kind).place())
            .f32(1e-6)
            .f32(scale);
        assert_eq!(norms(kind).parameters(), expected, "{kind:?}");
    }
}

#[test]
fn shared_memory_holds_what_the_kernels_lay_out() {
    // The weights of a norm, then 256 numbers, or as many integers and 8 groups of 16 bytes.
    assert_eq!(norms(NormKind::Plain).place(), 1024);
    let sum = NormKind::AddNorm {
        a: Address(1),
        weight: Address(2),
        residual: Address(3),
    };
    // The vector lies on the weight of the sum, which is larger.
    assert_eq!(norms(sum).place(), 1024);
    assert_eq!(norms(sum).end([MATRIX].into_iter()), 2 * 1024);
    let gated = NormKind::HeadsGated {
        gate: Address(1),
        weight: Address(2),
        head: 8,
    };
    let without = Norms {
        weights: [Address::NULL; 2],
        ..norms(gated)
    };
    assert_eq!(without.place(), 128);
    let float = Matrix {
        ty: TensorType::F32,
        ..MATRIX
    };
    let end = |matrices: &[Matrix]| norms(NormKind::Norm).end(matrices.iter().copied());
    assert_eq!(end(&[MATRIX]), 1024 + 512 + 128);
    assert_eq!(end(&[MATRIX, float]), 1024 + 1024);
    // Two rows of 32 chunks of nibbles, 16 of bit pairs, 4 of scales, 2 with the factors, for 16 warps.
    let ring = up().ring();
    assert_eq!(ring.at, 1024 + 512 + 128);
    assert_eq!(ring.bytes(1) - ring.at, 16 * 2 * (32 + 16 + 4 + 2) * 16);
    assert_eq!(
        [0, 64 << 10, 96 << 10, 227 << 10].map(|limit| ring.slots(limit)),
        [1, 2, 2, 2]
    );
    // Half as many chunks in a part, of four rows; both vectors in one.
    let ring = down().ring();
    assert_eq!(ring.at, 2 * (512 + 256) + 384);
    assert_eq!(ring.bytes(4) - ring.at, 4 * 16 * 4 * (16 + 8 + 2 + 2) * 16);
    // As attention.cu states it.
    let bytes = Attention::HEAD_DIMS.map(Attention::shared_bytes_of);
    assert_eq!(bytes, [43_648, 87_296, 88_576, 91_136]);
}

#[test]
fn a_row_of_experts_is_dealt_evenly() {
    // Where all goes to one sum, 8 and 2 * 8 chunks in parts of 16.
    let joined = ExpertsDown {
        shared_out: Address::NULL,
        ..down()
    };
    assert_eq!(joined.parts(), 4);
    assert_eq!(joined.blocks(132), 132);
    // Apart otherwise: a step for the shared row, and one for both experts.
    assert_eq!(down().parts(), 4);
    let gemma = ExpertsDown {
        used: 8,
        width: 704,
        shared_width: 2112,
        rows: 2816,
        down: Matrix {
            ty: TensorType::Q5_0,
            columns: 704,
            ..MATRIX
        },
        shared: Matrix {
            ty: TensorType::Q5_0,
            columns: 2112,
            ..MATRIX
        },
        ..down()
    };
    // 5 parts and 8 times 2.
    assert_eq!(gemma.parts(), 2 * (3 + 8));
    assert_eq!(gemma.blocks(132), 132);
    assert_eq!(gemma.blocks(3), 12);
}

#[test]
fn as_many_heads_go_together_as_share_keys() {
    let at_once = [(16, 2), (16, 8), (6, 2), (6, 1), (4, 4), (24, 1)];
    let found = at_once.map(|(heads, kv)| attention(heads, kv).heads_at_once());
    assert_eq!(found, [8, 2, 1, 2, 1, 8]);
    // Two blocks for each of 132 SMs over two KV heads; a short context has fewer splits.
    assert_eq!(Attention::splits(16, 2, 4096, 264), 128);
    assert_eq!(Attention::splits(16, 2, 1 << 20, 264), 132);
    assert_eq!(Attention::splits(16, 8, 1024, 132), 16);
    assert_eq!(Attention::splits(64, 64, 10, 1), 1);
}
