//! Projections of the residual stream: within a layer, to the vocabulary, and from the chosen token back to the stream.

use crate::{device::cuda::Parameters, quant::TensorType};

use super::matrix::{Address, Matrix};
use super::norms::Norms;
use super::ring::Ring;
use crate::kernels::tuning;

/// Most segments of a launch.
const SEGMENTS: usize = 4;

/// `project`: rows of up to four matrices times the stage's vectors.
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
    pub fn each(&self) -> impl Iterator<Item = Matrix> + Clone + use<> {
        let (matrix, up, _) = self.matrices();
        let second = (up != Matrix::NONE).then_some(up);
        [Some(matrix), second].into_iter().flatten()
    }
}

/// Rows that a warp takes at a time; of a gated product one of each matrix.
const ROWS: u32 = 2;
/// Most results of pieces that a block keeps, as in `project.cu`.
const MOST_PIECES: u32 = 192;

/// Instructions of a warp, counted in the machine code for sm_90: for a step of two rows, with what fetches it.
fn step_cost(ty: TensorType) -> u32 {
    match ty {
        TensorType::F32 | TensorType::F16 | TensorType::BF16 => 120,
        TensorType::Q8_0 => 170,
        TensorType::Q4_K => 200,
        TensorType::Q5_0 | TensorType::Q5_1 => 220,
        _ => 260,
    }
}
/// The same for the sums of an item, and for joining pieces: for a group and for each of its pieces.
const ITEM_COST: u32 = 50;
const JOIN_COST: u32 = 100;
const PIECE_COST: u32 = 6;

/// How a block's warps take its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut {
    /// Instructions of the warp that has most to do.
    cost: u32,
    /// Pieces that rows are cut into.
    pieces: u32,
}

/// The best cut of `groups` groups of `steps` steps each: with more pieces the warps' shares become alike, but results of
/// pieces have to be joined.
fn cut(groups: u32, steps: u32, step_cost: u32) -> Cut {
    let cut = |pieces: u32| {
        let rounds = |items: u32| items.div_ceil(tuning::ROW_WARPS);
        let item = steps.div_ceil(pieces) * step_cost + ITEM_COST;
        let join = match pieces {
            1 => 0,
            _ => rounds(groups) * (JOIN_COST + pieces * PIECE_COST),
        };
        Cut {
            cost: rounds(groups * pieces) * item + join,
            pieces,
        }
    };
    (2..=steps)
        .filter(|pieces| pieces * groups <= MOST_PIECES)
        // As many as it takes where pieces have so many steps: none begins behind the row.
        .filter(|pieces| steps.div_ceil(steps.div_ceil(*pieces)) == *pieces)
        .map(cut)
        .fold(cut(1), |best, cut| match cut.cost < best.cost {
            true => cut,
            false => best,
        })
}

impl Segment {
    /// The matrices of a gated product.
    pub fn pair(&self) -> Option<[Matrix; 2]> {
        let (gate, up, _) = self.product.matrices();
        (up != Matrix::NONE).then_some([gate, up])
    }

    /// Groups of rows that warps take.
    fn groups(&self) -> u32 {
        match self.pair().is_some() {
            true => self.rows,
            false => self.rows.div_ceil(ROWS),
        }
    }

    /// How each of `blocks` blocks takes its rows.
    fn cut(&self, blocks: u32) -> Cut {
        let (matrix, _, _) = self.product.matrices();
        let steps = matrix.units().div_ceil(32);
        cut(self.groups().div_ceil(blocks), steps, step_cost(matrix.ty))
    }

    /// For the `blocks` blocks from `first` on.
    fn parameters(&self, first: u32, blocks: u32) -> Parameters {
        let (matrix, up, mode) = self.product.matrices();
        let (each, rest) = (self.groups() / blocks, self.groups() % blocks);
        let units = matrix.units();
        let steps = units.div_ceil(32);
        let pieces = self.cut(blocks).pieces;
        let numbers = [
            self.rows,
            mode,
            self.vector,
            units,
            first,
            blocks,
            each,
            rest,
            pieces,
            steps.div_ceil(pieces),
            if self.pair().is_some() {
                0
            } else {
                self.rows * units
            },
            (tuning::ROW_WARPS / pieces) << 16 | (tuning::ROW_WARPS % pieces),
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
    /// Every matrix.
    pub fn matrices(&self) -> impl Iterator<Item = Matrix> + Clone {
        self.segments
            .iter()
            .flat_map(|segment| segment.product.each())
    }

    pub(super) fn ring(&self) -> Ring {
        Ring::new(self.norms.end(self.matrices()), (ROWS, 32), self.matrices())
    }

    /// Blocks for each segment of `blocks` in all, at least one.
    fn deal(&self, blocks: u32) -> Vec<u32> {
        let mut dealt = vec![1; self.segments.len()];
        for _ in dealt.len()..blocks as usize {
            // The next block goes where blocks have most to do.
            let costs = self.segments.iter().zip(&dealt);
            let costs = costs.map(|(segment, blocks)| segment.cut(*blocks).cost);
            if let Some((most, _)) = costs.enumerate().max_by_key(|(_, cost)| *cost) {
                dealt[most] += 1;
            }
        }
        dealt
    }

    pub(super) fn parameters(&self, blocks: u32, slots: u32) -> Parameters {
        let none = Segment {
            product: Product::Store(Matrix::NONE),
            out: Address::NULL,
            rows: 0,
            vector: 0,
        };
        let mut first = 0;
        let mut all = Parameters::new().nested(&self.norms.parameters());
        for (segment, blocks) in self.segments.iter().zip(self.deal(blocks)) {
            all = all.nested(&segment.parameters(first, blocks));
            first += blocks;
        }
        for _ in self.segments.len()..SEGMENTS {
            all = all.nested(&none.parameters(first, 1));
        }
        [self.segments.len() as u32, self.ring().at, slots, 0]
            .iter()
            .fold(all, |all, number| all.u32(*number))
    }
}

impl Head {
    pub(super) fn ring(&self) -> Ring {
        let matrices = || std::iter::once(self.matrix);
        Ring::new(self.norms.end(matrices()), (ROWS, 32), matrices())
    }

    pub(super) fn parameters(&self, slots: u32) -> Parameters {
        Parameters::new()
            .nested(&self.norms.parameters())
            .nested(&self.matrix.parameters())
            .pointer(self.logits.0)
            .pointer(self.token.0)
            .u32(self.rows)
            .f32(self.cap)
            .u32(self.matrix.units())
            .u32(self.ring().at)
            .u32(slots)
            .u32(0)
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

#[cfg(test)]
mod tests {
    use super::{MOST_PIECES, cut};

    #[test]
    fn every_piece_has_a_part_of_its_row() {
        for steps in 1..100 {
            for groups in 0..60 {
                let count = cut(groups, steps, 200).pieces;
                assert!(
                    (count - 1) * steps.div_ceil(count) < steps,
                    "{groups} {steps}"
                );
                assert!(count == 1 || count * groups <= MOST_PIECES);
            }
        }
        let pieces = |groups, steps| cut(groups, steps, 200).pieces;
        // Rows of 2048, 4096 and 2816 columns in 16 warps.
        assert_eq!([pieces(45, 2), pieces(8, 4), pieces(20, 3)], [1, 2, 3]);
        // A router's of 2816 plain numbers.
        assert_eq!(cut(1, 22, 120).pieces, 11);
    }
}
