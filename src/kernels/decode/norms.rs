//! How a stage makes the one or two vectors that its matrices are multiplied with.

use crate::device::cuda::Parameters;

use super::matrix::{Address, Matrix, vector_bytes};

/// What a stage's vectors are made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Norms {
    /// The residual stream, or the plain vector, f32 \[columns\].
    pub x: Address,
    /// What is done with it.
    pub kind: NormKind,
    /// Vector v is multiplied by the numbers at `weights[v]`; null for ones.
    pub weights: [Address; 2],
    /// Elements of a vector.
    pub columns: u32,
    /// In which forms the vectors are needed.
    pub forms: Forms,
    /// Added to the mean square in every norm.
    pub epsilon: f32,
}

/// What is done with the input. `rms(y)` divides y by the root of its mean square.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NormKind {
    /// The vector is x.
    Plain,
    /// rms(x)
    Norm,
    /// h = x + rms(a) · weight, which is stored to `residual`; then rms(h)
    AddNorm {
        /// f32 \[columns\]
        a: Address,
        /// f32 \[columns\]
        weight: Address,
        /// f32 \[columns\], not x.
        residual: Address,
    },
    /// h = (x + rms(rms(dense) · weights\[0\] + rms(experts) · weights\[1\]) · weights\[2\]) · scale, which is stored
    /// to `residual`; then rms(h)
    GemmaNext {
        /// f32 \[columns\]
        dense: Address,
        /// f32 \[columns\]
        experts: Address,
        /// f32 \[columns\] each.
        weights: [Address; 3],
        /// f32 \[columns\], not x; null where nobody needs it.
        residual: Address,
        /// Of the layer that ended.
        scale: f32,
    },
    /// Per head: rms(x) · weight · silu(gate)
    HeadsGated {
        /// f32 \[columns\]
        gate: Address,
        /// f32 \[head\]
        weight: Address,
        /// Elements of a head.
        head: u32,
    },
}

/// Forms of two vectors: bit v for vector v as f32, bit 2 + v as 16-bit integers with scales.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Forms(u32);

impl Forms {
    /// No vector in any form.
    pub const NONE: Forms = Forms(0);

    /// And vector `vector` (0 or 1) as products with `matrix` need it.
    pub fn with(self, vector: u32, matrix: &Matrix) -> Self {
        let form = if matrix.takes_values() { 0 } else { 2 };
        Self(self.0 | 1 << (form + vector.min(1)))
    }

    /// The bits.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// Whether any vector is needed as integers.
    pub fn has_integers(self) -> bool {
        self.0 & 0b1100 != 0
    }
}

impl Norms {
    /// Dynamic shared memory of a block that makes these vectors.
    pub fn shared_bytes(&self) -> u32 {
        let forms = [(0, true), (1, true), (2, false), (3, false)];
        let asked = forms
            .iter()
            .filter(|(bit, _)| self.forms.0 & 1 << bit != 0)
            .map(|(_, as_values)| vector_bytes(self.columns, *as_values));
        // What vectors are put together in, as `VectorSpace` has it.
        let two = u32::from(self.forms.0 & 0b1010 != 0);
        let places = match self.kind {
            NormKind::GemmaNext { .. } => 5 + two,
            NormKind::AddNorm { .. } => 3 + two,
            _ => 1 + two,
        };
        places * (4 * self.columns).next_multiple_of(16) + asked.sum::<u32>()
    }

    pub(super) fn parameters(&self) -> Parameters {
        let (mut a, mut b, mut residual) = Default::default();
        let (mut of_a, mut of_b, mut of_branch) = Default::default();
        let (mut head, mut scale) = (0, 1.0);
        let kind = match self.kind {
            NormKind::Plain => 0,
            NormKind::Norm => 1,
            NormKind::AddNorm {
                a: added,
                weight,
                residual: out,
            } => {
                (a, of_a, residual) = (added, weight, out);
                2
            }
            NormKind::GemmaNext {
                dense,
                experts,
                weights,
                residual: out,
                scale: factor,
            } => {
                (a, b, residual, scale) = (dense, experts, out, factor);
                [of_a, of_b, of_branch] = weights;
                3
            }
            NormKind::HeadsGated {
                gate,
                weight,
                head: width,
            } => {
                (a, of_a, head) = (gate, weight, width);
                4
            }
        };
        let pointers: [Address; 9] = [
            self.x,
            a,
            b,
            of_a,
            of_b,
            of_branch,
            residual,
            self.weights[0],
            self.weights[1],
        ];
        pointers
            .iter()
            .fold(Parameters::new(), |all, pointer| all.pointer(pointer.0))
            .u32(kind)
            .u32(self.columns)
            .u32(head)
            .u32(self.forms.0)
            .f32(self.epsilon)
            .f32(scale)
    }
}
