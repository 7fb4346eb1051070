//! How a stage makes the one or two vectors that its matrices are multiplied with.

use crate::device::cuda::Parameters;

use super::matrix::{Address, Matrix, numbers_bytes, vector_bytes};

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

impl Norms {
    /// Where a vector lies in a block's shared memory: behind its own weights, on others that are used before it is stored.
    pub(super) fn place(&self) -> u32 {
        let own = u32::from(self.weights != [Address::NULL; 2]);
        let head = match self.kind {
            NormKind::HeadsGated { head, .. } => head,
            _ => 0,
        };
        own * numbers_bytes(self.columns) + numbers_bytes(head)
    }

    /// What lies behind the weights and the largest of the vectors that `matrices` are multiplied with.
    pub(super) fn end(&self, matrices: impl Iterator<Item = Matrix> + Clone) -> u32 {
        let forms = matrices.map(|matrix| self.end_of(matrix.takes_values()));
        forms.max().unwrap_or(0)
    }

    /// What lies behind the weights and a vector in one form.
    pub(in crate::kernels) fn end_of(&self, as_values: bool) -> u32 {
        let others = match self.kind {
            NormKind::AddNorm { .. } => 1,
            NormKind::GemmaNext { .. } => 3,
            _ => 0,
        };
        let vector = vector_bytes(self.columns, as_values);
        self.place() + vector.max(others * numbers_bytes(self.columns))
    }

    pub(in crate::kernels) fn parameters(&self) -> Parameters {
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
            .u32(self.place())
            .f32(self.epsilon)
            .f32(scale)
    }
}
