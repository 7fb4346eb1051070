//! Bytes that a stage cannot do without: weights, keys and values, recurrent state. Activations stay in the L2 cache.

use super::attention::{Attention, Delta};
use super::experts::{ExpertsDown, ExpertsUp};
use super::matrix::Matrix;
use super::project::Project;
use super::stage::Stage;

impl Stage {
    /// Device memory that it reads and writes for the token at `position`, in bytes.
    pub fn traffic(&self, position: u64) -> u64 {
        match self {
            Self::Project(project) => project.traffic(),
            Self::Attention(attention) => attention.traffic(position),
            Self::Delta(delta) => delta.traffic(),
            Self::ExpertsUp(up) => up.traffic(),
            Self::ExpertsDown(down) => down.traffic(),
            Self::Head(head) => head.matrix.row_bytes() * u64::from(head.rows),
            Self::NextToken(next) => next.embedding.row_bytes(),
            Self::Combine(_) => 0,
        }
    }
}

impl Matrix {
    pub(super) fn row_bytes(&self) -> u64 {
        u64::from(self.columns) / self.ty.block_elements() * self.ty.block_bytes()
    }
}

impl Project {
    fn traffic(&self) -> u64 {
        let rows = self.segments.iter().map(|segment| {
            let row: u64 = segment.product.each().map(|m| m.row_bytes()).sum();
            row * u64::from(segment.rows)
        });
        rows.sum()
    }
}

impl ExpertsUp {
    fn traffic(&self) -> u64 {
        let row = match self.up {
            Matrix::NONE => 2 * self.gate.row_bytes(),
            up => self.gate.row_bytes() + up.row_bytes(),
        };
        row * u64::from(self.used) * u64::from(self.width)
    }
}

impl ExpertsDown {
    fn traffic(&self) -> u64 {
        let row = self.down.row_bytes() * u64::from(self.used) + self.shared.row_bytes();
        row * u64::from(self.rows)
    }
}

impl Attention {
    /// Keys and values in f16 of the positions seen.
    fn traffic(&self, position: u64) -> u64 {
        let seen = match self.window {
            0 => position + 1,
            window => (position + 1).min(u64::from(window)),
        };
        seen * u64::from(self.kv_heads) * u64::from(self.head_dim) * 2 * 2
    }
}

impl Delta {
    /// The state in f32, read and written.
    fn traffic(&self) -> u64 {
        let state = u64::from(self.value_heads) * u64::from(self.value_dim);
        state * u64::from(self.key_dim) * 4 * 2
    }
}
