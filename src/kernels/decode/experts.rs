//! The routed experts of a token, chosen on the device.

use crate::device::cuda::Parameters;

use super::matrix::{Address, Matrix, vector_bytes};
use super::norms::Norms;

/// The function between a gate projection and the product with the up projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// x · sigmoid(x)
    Silu,
    /// GELU in its tanh form.
    Gelu,
}

/// `experts_up`: the choice from the router's logits, and the gated up projections of the experts chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExpertsUp {
    /// One vector.
    pub norms: Norms,
    /// \[experts\]\[width\] rows; with `up` none, \[experts\]\[2 · width\], each expert's gate rows first.
    pub gate: Matrix,
    /// \[experts\]\[width\] rows, or [`Matrix::NONE`].
    pub up: Matrix,
    /// Logits, f32 \[experts\].
    pub router: Address,
    /// Multiplies each expert's weight, f32 \[experts\], or null.
    pub expert_scale: Address,
    /// The engine's token record.
    pub token: Address,
    /// Ids by falling probability, u32 \[used\].
    pub chosen: Address,
    /// Their weights, f32 \[used\].
    pub weight: Address,
    /// This layer's ids of step 0, u32 \[used\].
    pub trace: Address,
    /// f32 \[used\]\[width\]
    pub out: Address,
    /// Experts of the layer.
    pub experts: u32,
    /// Experts that a token uses.
    pub used: u32,
    /// Rows of an expert's gate projection.
    pub width: u32,
    /// Behind the gate projection.
    pub activation: Activation,
    /// From one step's ids to the next's, in u32.
    pub trace_stride: u32,
    /// Steps that are kept.
    pub trace_steps: u32,
}

/// `experts_down`: the down projections, with that of the MLP that every token uses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExpertsDown {
    /// \[experts\]\[rows\]
    pub down: Matrix,
    /// \[rows\]
    pub shared: Matrix,
    /// u32 \[used\]
    pub chosen: Address,
    /// f32 \[used\]
    pub weight: Address,
    /// f32 \[used\]\[width\]
    pub hidden: Address,
    /// f32 \[shared_width\]
    pub shared_hidden: Address,
    /// One number; the shared part is multiplied by its sigmoid. Null for 1.
    pub shared_gate: Address,
    /// f32 \[rows\]
    pub out: Address,
    /// Where the shared part goes; null for `out`.
    pub shared_out: Address,
    /// Experts of the layer.
    pub experts: u32,
    /// Experts that a token uses.
    pub used: u32,
    /// Elements of an expert's hidden vector.
    pub width: u32,
    /// Rows of the projections.
    pub rows: u32,
    /// Elements of the shared hidden vector.
    pub shared_width: u32,
    /// Whether `out` is added to.
    pub add: bool,
}

impl ExpertsUp {
    pub(super) fn parameters(&self) -> Parameters {
        let pointers = [
            self.router,
            self.expert_scale,
            self.token,
            self.chosen,
            self.weight,
            self.trace,
            self.out,
        ];
        pointers
            .iter()
            .fold(
                Parameters::new()
                    .nested(&self.norms.parameters())
                    .nested(&self.gate.parameters())
                    .nested(&self.up.parameters()),
                |all, pointer| all.pointer(pointer.0),
            )
            .u32(self.experts)
            .u32(self.used)
            .u32(self.width)
            .u32(match self.activation {
                Activation::Silu => 0,
                Activation::Gelu => 1,
            })
            .u32(self.trace_stride)
            .u32(self.trace_steps)
    }
}

impl ExpertsDown {
    /// Dynamic shared memory of a block: the hidden vectors of all experts, and the shared one.
    pub fn shared_bytes(&self) -> u32 {
        vector_bytes(self.used * self.width, self.down.takes_values())
            + vector_bytes(self.shared_width, self.shared.takes_values())
    }

    pub(super) fn parameters(&self) -> Parameters {
        let pointers = [
            self.chosen,
            self.weight,
            self.hidden,
            self.shared_hidden,
            self.shared_gate,
            self.out,
            self.shared_out,
        ];
        pointers
            .iter()
            .fold(
                Parameters::new()
                    .nested(&self.down.parameters())
                    .nested(&self.shared.parameters()),
                |all, pointer| all.pointer(pointer.0),
            )
            .u32(self.experts)
            .u32(self.used)
            .u32(self.width)
            .u32(self.rows)
            .u32(self.shared_width)
            .u32(self.add.into())
    }
}
