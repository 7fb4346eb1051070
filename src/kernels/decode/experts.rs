//! The routed experts of a token, chosen on the device.

use crate::{device::cuda::Parameters, kernels::tuning};

use super::matrix::{Address, Matrix, vector_bytes};
use super::norms::Norms;
use super::ring::Ring;

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
    /// Rows of the projections, an even number.
    pub rows: u32,
    /// Elements of the shared hidden vector.
    pub shared_width: u32,
    /// Whether `out` is added to.
    pub add: bool,
}

impl ExpertsUp {
    /// Most rows of the gate projections of all chosen experts: as many as the kernel divides by multiplication.
    pub const MOST_ROWS: u64 = 0xffff;

    /// The gate projection's matrix, and the other where there is one.
    pub fn matrices(&self) -> impl Iterator<Item = Matrix> + Clone {
        let up = (self.up != Matrix::NONE).then_some(self.up);
        [Some(self.gate), up].into_iter().flatten()
    }

    pub(super) fn ring(&self) -> Ring {
        Ring::new(self.norms.end(self.matrices()), (2, 32), self.matrices())
    }

    pub(super) fn parameters(&self, slots: u32) -> Parameters {
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
            .u32(self.gate.units())
            .u32(self.ring().at)
            .u32(slots)
            .u32(0)
    }
}

/// Chunks of a part of a row, as in `experts_down.cu`; a step is two parts of two rows.
const PART: u32 = 16;
/// Most items of a block, as in `experts_down.cu`.
const MOST_ITEMS: u32 = 256;
/// What an item costs beside its steps, as a part of a step: its sums.
const ITEM_COST: f32 = 0.4;

/// How the weights of a pair of rows are dealt to warps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Items {
    /// Steps of the first item, which has the shared row.
    first: u32,
    /// Steps of each other one.
    steps: u32,
    items: u32,
    /// Whether all are of one type and dealt together.
    together: bool,
}

impl Items {
    /// Parts of a pair, some of which may be empty.
    fn parts(&self) -> u32 {
        2 * (self.first + (self.items - 1) * self.steps)
    }

    /// Of each pass the items of a pair.
    fn passes(&self) -> Vec<u32> {
        match self.together {
            true => vec![self.items],
            false => vec![1, self.items - 1],
        }
    }

    /// How long the slowest warp of a block with `pairs` pairs takes, in steps.
    fn cost(&self, pairs: u32) -> f32 {
        let mut first = 0;
        let mut cost = 0.0;
        for each in self.passes() {
            let mut warps = [0.0; tuning::ROW_WARPS as usize];
            for item in 0..pairs * each {
                let steps = match first + item % each {
                    0 => self.first,
                    _ => self.steps,
                };
                warps[(item % tuning::ROW_WARPS) as usize] += steps as f32 + ITEM_COST;
            }
            cost += warps.into_iter().fold(0.0, f32::max);
            first += each;
        }
        cost
    }
}

impl ExpertsDown {
    /// Most parts of a row, as in `experts_down.cu`.
    pub const MOST_PARTS: u32 = 128;

    /// Both.
    pub fn matrices(&self) -> impl Iterator<Item = Matrix> + Clone {
        [self.down, self.shared].into_iter()
    }

    /// The experts' weights, or all that a pair of rows has, cut into `count` items.
    fn cut(&self, count: u32) -> Items {
        let parts = |matrix: &Matrix| matrix.units().div_ceil(PART);
        let (shared, routed) = (parts(&self.shared), self.used * parts(&self.down));
        let together = self.shared.ty == self.down.ty;
        // Where the shared row's sum goes with the experts', an item may have of both.
        if together && self.shared_out == Address::NULL {
            let all = (shared + routed).div_ceil(2);
            let steps = all.div_ceil(count).max(1);
            return Items {
                first: steps,
                steps,
                items: all.div_ceil(steps).max(1),
                together,
            };
        }
        let all = routed.div_ceil(2);
        let steps = all.div_ceil(count).max(1);
        Items {
            first: shared.div_ceil(2),
            steps,
            items: 1 + all.div_ceil(steps),
            together,
        }
    }

    fn pairs(&self) -> u32 {
        self.rows / 2
    }

    /// The cut with which the slowest warp of a block on each of `sm_count` SMs is done first.
    fn items(&self, sm_count: u32) -> Items {
        let whole = self.cut(1);
        let pairs = self.pairs().div_ceil(sm_count.max(1));
        let cuts = (2..=whole.first.max(whole.steps)).map(|count| self.cut(count));
        cuts.filter(|cut| cut.parts() <= Self::MOST_PARTS && cut.items * pairs <= MOST_ITEMS)
            .fold(whole, |best, cut| {
                match cut.cost(pairs) < best.cost(pairs) {
                    true => cut,
                    false => best,
                }
            })
    }

    /// Parts of a row, the shared expert's and those of all chosen.
    pub fn parts(&self) -> u32 {
        self.cut(1).parts()
    }

    /// Blocks: one for every SM, or as many as keep their items within bounds.
    pub(super) fn blocks(&self, sm_count: u32) -> u32 {
        let most = (MOST_ITEMS / self.items(sm_count).items).max(1);
        sm_count * self.pairs().div_ceil(most).div_ceil(sm_count)
    }

    /// Bytes of the hidden vectors: one behind the other, in one form or each in its own.
    fn vector_bytes(&self) -> u32 {
        let columns = self.used * self.width;
        let (routed, shared) = (self.down.takes_values(), self.shared.takes_values());
        if routed == shared {
            return vector_bytes(columns.next_multiple_of(256) + self.shared_width, routed);
        }
        vector_bytes(columns, routed) + vector_bytes(self.shared_width, shared)
    }

    pub(super) fn ring(&self) -> Ring {
        Ring::new(self.vector_bytes(), (4, PART), self.matrices())
    }

    pub(super) fn parameters(&self, sm_count: u32, slots: u32) -> Parameters {
        let items = self.items(sm_count);
        let passes = items.passes();
        // What is not there has no items.
        let [whole, experts] = [0, 1].map(|pass| {
            let each = passes.get(pass as usize).copied().unwrap_or(1);
            let round = (tuning::ROW_WARPS / each) << 16 | (tuning::ROW_WARPS % each);
            [pass, each, round]
        });
        let pointers = [
            self.chosen,
            self.weight,
            self.hidden,
            self.shared_hidden,
            self.shared_gate,
            self.out,
            self.shared_out,
        ];
        let numbers = [
            self.experts,
            self.used,
            self.width,
            self.rows,
            self.shared_width,
            self.add.into(),
            self.down.units(),
            self.shared.units(),
            items.first,
            items.steps,
            items.items,
            self.ring().at,
            slots,
        ];
        let numbers = numbers
            .into_iter()
            .chain(whole)
            .chain(experts)
            .chain([passes.len() as u32]);
        let matrices = Parameters::new()
            .nested(&self.down.parameters())
            .nested(&self.shared.parameters());
        let with_pointers = pointers
            .iter()
            .fold(matrices, |all, pointer| all.pointer(pointer.0));
        numbers.fold(with_pointers, |all, number| all.u32(number))
    }
}
