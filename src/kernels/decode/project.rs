//! Projections of the residual stream: within a layer, to the vocabulary, and from the chosen token back to the stream.

use crate::device::cuda::Parameters;

use super::matrix::{Address, Matrix};
use super::norms::Norms;

/// Most segments of a launch.
const SEGMENTS: usize = 4;

/// `project_wide` and `project_deep`: rows of up to four matrices times the stage's vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct Project {
    /// The vectors.
    pub norms: Norms,
    /// At most four.
    pub segments: Vec<Segment>,
}

/// Rows of one product.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Segment {
    /// What is multiplied, and what becomes of it.
    pub product: Product,
    /// f32 \[rows\]
    pub out: Address,
    /// Number of rows.
    pub rows: u32,
    /// Which of the stage's vectors: 0 or 1.
    pub vector: u32,
}

/// A product with a matrix, or with two of a gated MLP.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Product {
    /// out = m · v
    Store(Matrix),
    /// out += m · v
    Add(Matrix),
    /// out = silu(gate · v) ⊙ (up · v)
    Silu {
        /// The gate projection.
        gate: Matrix,
        /// The up projection.
        up: Matrix,
    },
    /// out = gelu(gate · v) ⊙ (up · v), GELU in its tanh form
    Gelu {
        /// The gate projection.
        gate: Matrix,
        /// The up projection.
        up: Matrix,
    },
}

/// `head`: logits of the whole vocabulary and the largest of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Head {
    /// One vector.
    pub norms: Norms,
    /// The output projection.
    pub matrix: Matrix,
    /// f32 \[rows\]
    pub logits: Address,
    /// The engine's [`Token`].
    pub token: Address,
    /// Tokens of the vocabulary.
    pub rows: u32,
    /// Logits are capped smoothly at plus and minus this; 0 for not at all.
    pub cap: f32,
}

/// `next_token`: publishes the choice and makes the next input's embedding the residual stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NextToken {
    /// \[vocabulary\]\[columns\]
    pub embedding: Matrix,
    /// The engine's [`Token`].
    pub token: Address,
    /// Ids that the host wants next, u32.
    pub forced: Address,
    /// f32 \[columns\]
    pub x: Address,
    /// Words of pinned host memory: (position + 1) << 32 | id of the largest logit.
    pub ring: Address,
    /// Factor of every embedding.
    pub scale: f32,
    /// Tokens that the model knows.
    pub vocabulary: u32,
    /// Words of `ring`.
    pub ring_size: u32,
}

/// Where a run stands: the record that the stages of a token share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// Tokens before the one being processed.
    pub position: u32,
    /// Ids of the host that were taken.
    pub taken: u32,
    /// Ids of the host.
    pub forced: u32,
    /// Tokens of this run before this one.
    pub step: u32,
    /// The choice so far; 0 for none.
    pub best: u64,
}

/// Bytes of a [`Token`].
pub const TOKEN_BYTES: u64 = 24;

impl Token {
    /// Before the first `next_token` of a run that goes on behind `position` tokens with `forced` ids of the host.
    pub fn before(position: u32, forced: u32) -> Self {
        Self {
            position: position.wrapping_sub(1),
            taken: 0,
            forced,
            step: u32::MAX,
            best: 0,
        }
    }

    /// As it lies in memory.
    pub fn words(&self) -> [u64; 3] {
        let pair = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
        [
            pair(self.position, self.taken),
            pair(self.forced, self.step),
            self.best,
        ]
    }
}

impl Product {
    fn matrices(&self) -> (Matrix, Matrix, u32) {
        match *self {
            Self::Store(matrix) => (matrix, Matrix::NONE, 0),
            Self::Add(matrix) => (matrix, Matrix::NONE, 1),
            Self::Silu { gate, up } => (gate, up, 2),
            Self::Gelu { gate, up } => (gate, up, 3),
        }
    }

    /// The one matrix or both.
    pub fn each(&self) -> impl Iterator<Item = Matrix> {
        let (matrix, up, _) = self.matrices();
        let second = (up != Matrix::NONE).then_some(up);
        [Some(matrix), second].into_iter().flatten()
    }
}

/// What a warp of a kernel takes at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tile {
    /// Rows of a group; of a gated product always one of each matrix.
    rows: u32,
    /// Steps of a row, 32 units of 16 bytes of quants each.
    depth: u32,
}

impl Tile {
    /// Of `project_wide`.
    pub const WIDE: Tile = Tile { rows: 2, depth: 2 };
    /// Of `project_deep`.
    pub const DEEP: Tile = Tile { rows: 1, depth: 4 };
}

/// Most results of pieces that a block keeps, as in `project.cu`.
const MOST_PIECES: u32 = 192;

impl Segment {
    /// For a grid of `blocks`; `slots` is where results of pieces begin, and is moved behind those of this segment.
    fn parameters(&self, blocks: u32, tile: Tile, slots: &mut u32) -> Parameters {
        let (matrix, up, mode) = self.product.matrices();
        let paired = up != Matrix::NONE;
        let groups = match paired {
            true => self.rows,
            false => self.rows.div_ceil(tile.rows),
        };
        let (each, rest) = (groups / blocks, groups % blocks);
        let units = matrix.units();
        let (mut pieces, mut steps, slot) = (1, units.div_ceil(32), *slots);
        // Rows of plain numbers are long.
        if matrix.takes_values() && (!paired || matrix.ty == up.ty) {
            let cut = steps.div_ceil(tile.depth);
            let behind = (each + u32::from(rest > 0))
                .saturating_mul(cut)
                .saturating_add(slot);
            if behind <= MOST_PIECES {
                (pieces, steps, *slots) = (cut, tile.depth, behind);
            }
        }
        let numbers = [
            self.rows,
            mode,
            self.vector,
            units,
            each,
            rest,
            pieces,
            steps,
            slot,
            0,
        ];
        numbers.iter().fold(
            Parameters::new()
                .nested(&matrix.parameters())
                .nested(&up.parameters())
                .pointer(self.out.0),
            |all, number| all.u32(*number),
        )
    }
}

impl Project {
    pub(super) fn parameters(&self, blocks: u32, tile: Tile) -> Parameters {
        let none = Segment {
            product: Product::Store(Matrix::NONE),
            out: Address::NULL,
            rows: 0,
            vector: 0,
        };
        let mut slots = 0;
        let segments = self.segments.iter().chain(std::iter::repeat(&none));
        segments
            .take(SEGMENTS)
            .fold(
                Parameters::new().nested(&self.norms.parameters()),
                |all, segment| all.nested(&segment.parameters(blocks, tile, &mut slots)),
            )
            .u32(self.segments.len().min(SEGMENTS) as u32)
            .u32(0)
    }
}

impl Head {
    pub(super) fn parameters(&self) -> Parameters {
        Parameters::new()
            .nested(&self.norms.parameters())
            .nested(&self.matrix.parameters())
            .pointer(self.logits.0)
            .pointer(self.token.0)
            .u32(self.rows)
            .f32(self.cap)
    }
}

impl NextToken {
    pub(super) fn parameters(&self) -> Parameters {
        let pointers = [self.token, self.forced, self.x, self.ring];
        pointers
            .iter()
            .fold(
                Parameters::new().nested(&self.embedding.parameters()),
                |all, pointer| all.pointer(pointer.0),
            )
            .f32(self.scale)
            .u32(self.vocabulary)
            .u32(self.ring_size)
            .u32(0)
    }
}
