//! What the layers of both architectures have in common: routed experts, rotation, the whole of a product.

use crate::engine::EngineError;
use crate::kernels::decode::{
    Activation, Address, Attention, ExpertsUp, Matrix, NormKind, Norms, Product, Segment, Stage,
};

use super::buffers::Buffers;
use super::planner::{Planner, unsupported};

/// The name in the file of a layer's tensor.
pub(super) type Name<'a> = &'a dyn Fn(&str) -> String;

/// The routed experts of a layer, and what is done with the residual stream in front of them.
pub(super) struct Routed {
    pub layer: usize,
    /// f32 \[columns\], normalised and multiplied by `weight`.
    pub x: Address,
    pub columns: u32,
    pub weight: Address,
    pub epsilon: f32,
    /// f32 \[experts\], or null.
    pub expert_scale: Address,
    pub experts: u32,
    pub used: u32,
    pub width: u32,
    pub activation: Activation,
}

/// Adds the stage that chooses experts and computes their hidden vectors. Gate and up projections are in one tensor or in
/// two.
pub(super) fn experts_up(
    planner: &mut Planner,
    buffers: &Buffers,
    routed: Routed,
    name: Name,
) -> Result<(), EngineError> {
    let (gate, up) = match planner.optional(&name("ffn_gate_up_exps.weight"))? {
        Some(fused) => (fused, Matrix::NONE),
        None => (
            planner.matrix(&name("ffn_gate_exps.weight"))?,
            planner.matrix(&name("ffn_up_exps.weight"))?,
        ),
    };
    planner.push(
        "experts up",
        Stage::ExpertsUp(ExpertsUp {
            norms: Norms {
                x: routed.x,
                kind: NormKind::Norm,
                weights: [routed.weight, Address::NULL],
                columns: routed.columns,
                epsilon: routed.epsilon,
            },
            gate,
            up,
            router: buffers.router,
            expert_scale: routed.expert_scale,
            token: buffers.token,
            chosen: buffers.chosen,
            weight: buffers.weight,
            trace: buffers.trace_of(routed.layer, routed.used),
            out: buffers.hidden,
            experts: routed.experts,
            used: routed.used,
            width: routed.width,
            activation: routed.activation,
            trace_stride: buffers.trace_stride,
            trace_steps: buffers.trace_steps,
        }),
    )
}

/// The whole of a matrix times vector 0.
pub(super) fn store(matrix: Matrix, out: Address, rows: u32) -> Segment {
    Segment {
        product: Product::Store(matrix),
        out,
        rows,
        vector: 0,
    }
}

/// The whole of each named tensor times vector 0, to a place, with so many rows.
pub(super) fn stores<const N: usize>(
    planner: &mut Planner,
    name: Name,
    products: [(&str, Address, u32); N],
) -> Result<Vec<Segment>, EngineError> {
    let segment = |(tensor, out, rows)| Ok(store(planner.matrix(&name(tensor))?, out, rows));
    products.into_iter().map(segment).collect()
}

/// Radians that each pair of `rotary` dimensions turns per position: base^(-2i / rotary), as the CPU's rotation has it.
pub(super) fn frequencies(rotary: u64, base: f32) -> Vec<f64> {
    let frequency = |pair| f64::from(base).powf(-2.0 * pair as f64 / rotary as f64);
    (0..rotary / 2).map(frequency).collect()
}

/// Refuses heads that there are no attention kernels for.
pub(super) fn check_heads(what: &str, head_dim: u64) -> Result<(), EngineError> {
    let dims = Attention::HEAD_DIMS.map(u64::from);
    match dims.contains(&head_dim) {
        true => Ok(()),
        false => Err(unsupported(
            what.to_owned(),
            format!("heads of {dims:?} elements"),
            head_dim,
        )),
    }
}
