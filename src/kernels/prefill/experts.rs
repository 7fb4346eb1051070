//! Which experts a batch chooses, and what becomes of their outputs.

use crate::device::cuda::Parameters;
use crate::kernels::decode::Address;

use super::product::Rows;

/// `prefill_route`: each token's choice from its router's logits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Route {
    /// Logits, f32 \[tokens\]\[experts\].
    pub router: Address,
    /// Multiplies each expert's weight, f32 \[experts\], or null.
    pub expert_scale: Address,
    /// u32 \[tokens\]\[used\]
    pub chosen: Address,
    /// f32 \[tokens\]\[used\]
    pub weight: Address,
    /// The last token's ids, u32 \[used\].
    pub trace: Address,
    /// Experts of the layer.
    pub experts: u32,
    /// Experts that a token uses.
    pub used: u32,
}

/// `prefill_list`: for each expert the entries that chose it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct List {
    /// u32 \[tokens\]\[used\]
    pub chosen: Address,
    /// u32 \[experts\]\[capacity\]
    pub list: Address,
    /// u32 \[experts\]
    pub counts: Address,
    /// Experts of the layer.
    pub experts: u32,
    /// Experts that a token uses.
    pub used: u32,
    /// Most tokens of an expert.
    pub capacity: u32,
}

/// `prefill_join`: the outputs of a token's experts, weighted, and that of the expert that every token uses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Join {
    /// f32 \[tokens\]\[used\]\[rows\]
    pub routed: Address,
    /// f32 \[tokens\]\[used\]
    pub weight: Address,
    /// f32 \[tokens\]\[rows\], or null for none.
    pub shared: Address,
    /// f32 \[tokens\]: the shared output is multiplied by its sigmoid; null for 1.
    pub shared_gate: Address,
    /// Where the sum goes.
    pub out: Rows,
    /// Experts that a token uses.
    pub used: u32,
    /// Elements of an output.
    pub rows: u32,
    /// Whether `out` is added to.
    pub add: bool,
}

fn pointers(addresses: &[Address]) -> Parameters {
    addresses
        .iter()
        .fold(Parameters::new(), |all, address| all.pointer(address.0))
}

impl Route {
    pub(super) fn parameters(&self, tokens: u32) -> Parameters {
        pointers(&[
            self.router,
            self.expert_scale,
            self.chosen,
            self.weight,
            self.trace,
        ])
        .u32(tokens)
        .u32(self.experts)
        .u32(self.used)
        .u32(0)
    }
}

impl List {
    pub(super) fn parameters(&self, tokens: u32) -> Parameters {
        pointers(&[self.chosen, self.list, self.counts])
            .u32(tokens * self.used)
            .u32(self.capacity)
    }
}

impl Join {
    pub(super) fn parameters(&self) -> Parameters {
        pointers(&[
            self.routed,
            self.weight,
            self.shared,
            self.shared_gate,
            self.out.at,
        ])
        .u32(self.used)
        .u32(self.rows)
        .u32(self.out.stride)
        .u32(self.add.into())
    }
}
