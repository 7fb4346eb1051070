//! Embeddings, vectors and products of a batch.

use crate::device::cuda::Parameters;
use crate::kernels::decode::{Address, Matrix, NormKind, Norms};

/// Tokens that are processed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// Their ids, u32.
    pub ids: Address,
    /// Position of the first.
    pub position: u32,
    /// How many.
    pub tokens: u32,
}

/// A buffer with a row of numbers for every token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rows {
    /// The first row's.
    pub at: Address,
    /// From row to row, in numbers.
    pub stride: u32,
}

/// `prefill_embed`: ids become the residual stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Embed {
    /// \[vocabulary\]\[columns\]
    pub embedding: Matrix,
    /// The residual stream.
    pub x: Rows,
    /// Factor of every embedding.
    pub scale: f32,
}

/// `prefill_vectors`: what products multiply with, as integers or as numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Vectors {
    /// Of the first row; the addresses are a batch's.
    pub norms: Norms,
    /// Which of its two vectors.
    pub index: u32,
    /// Rows of a token.
    pub each: u32,
    /// Strides of x and of what [`NormKind`] names: a or dense, experts, residual.
    pub strides: [u32; 4],
    /// As numbers instead of integers.
    pub as_values: bool,
    /// u8 \[rows\]\[columns / 32\]\[64\]
    pub quants: Address,
    /// f32 pairs \[rows\]\[columns / 32, up to a multiple of 4\]
    pub factors: Address,
    /// f32 \[rows\]\[columns\]
    pub values: Address,
}

/// What becomes of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// out = m · v
    Store,
    /// out += m · v
    Add,
    /// out = silu(gate · v) ⊙ (up · v)
    Silu,
    /// out = gelu(gate · v) ⊙ (up · v), GELU in its tanh form
    Gelu,
}

/// Which vectors chose which experts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Experts {
    /// u32 \[experts\]\[capacity\]
    pub list: Address,
    /// u32 \[experts\]
    pub counts: Address,
    /// Experts.
    pub experts: u32,
    /// Experts that a token uses.
    pub used: u32,
    /// Most tokens of an expert.
    pub capacity: u32,
    /// Entries that share a vector: all of a token, or one.
    pub divide: u32,
}

/// `prefill_product_*` and `prefill_plain`: a matrix, or the experts' matrices, times vectors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Product {
    /// The matrix; of a gated product the gate projection, or both projections of each expert one behind the other.
    pub matrix: Matrix,
    /// The up projection, or [`Matrix::NONE`].
    pub up: Matrix,
    /// As [`Vectors`] leaves them.
    pub quants: Address,
    /// As [`Vectors`] leaves them.
    pub factors: Address,
    /// As [`Vectors`] leaves them.
    pub values: Address,
    /// Where sums go.
    pub out: Rows,
    /// Rows of the matrix, of one expert's, of one projection.
    pub rows: u32,
    /// What becomes of the sums.
    pub mode: Mode,
    /// None: every token's vector with the one matrix.
    pub experts: Option<Experts>,
}

/// Vectors of a tile, as in `product.cu` and `plain.cu`.
const TILE_VECTORS: u32 = 64;

impl Embed {
    pub(super) fn parameters(&self, batch: Batch) -> Parameters {
        Parameters::new()
            .nested(&self.embedding.parameters())
            .pointer(batch.ids.0)
            .pointer(self.x.at.0)
            .f32(self.scale)
            .u32(self.x.stride)
    }
}

impl Vectors {
    /// Numbers that a thread takes, as in `vector.cuh`.
    const EACH: u32 = 8;
    const MOST_THREADS: u32 = 512;

    pub(super) fn threads(&self) -> u32 {
        let octets = self.norms.columns.div_ceil(Self::EACH);
        octets.next_multiple_of(32).min(Self::MOST_THREADS)
    }

    /// Dynamic shared memory of a block.
    pub fn shared_bytes(&self) -> u32 {
        self.norms.end_of(self.as_values)
    }

    pub(super) fn parameters(&self) -> Parameters {
        let values = match self.as_values {
            true => self.values,
            false => Address::NULL,
        };
        let [x, a, b, residual] = self.strides;
        let all = Parameters::new()
            .nested(&self.norms.parameters())
            .pointer(self.quants.0)
            .pointer(self.factors.0)
            .pointer(values.0);
        [self.index, x, a, b, residual, 0]
            .iter()
            .fold(all, |all, number| all.u32(*number))
    }

    /// Whether the vectors are those of `other`, so that they need not be made again: nothing else may have been written to
    /// what a plain norm reads.
    pub fn repeats(&self, other: &Self) -> bool {
        self.norms.kind == NormKind::Norm && self == other
    }
}

impl Product {
    fn is_pair(&self) -> bool {
        matches!(self.mode, Mode::Silu | Mode::Gelu)
    }

    /// Blocks: tiles of vectors by tiles of `tile_rows` rows, of a pair half as many; of experts the other way round.
    pub(super) fn grid(&self, tile_rows: u32, tokens: u32) -> (u32, u32) {
        let rows = match self.is_pair() {
            true => tile_rows / 2,
            false => tile_rows,
        };
        let row_tiles = self.rows.div_ceil(rows);
        match self.experts {
            None => (tokens.div_ceil(TILE_VECTORS), row_tiles),
            // Each expert that anybody chose has one tile that is not full.
            Some(experts) => {
                let entries = tokens * experts.used;
                let tiles = entries / TILE_VECTORS + experts.experts.min(entries);
                (row_tiles, tiles)
            }
        }
    }

    pub(super) fn parameters(&self, tokens: u32) -> Parameters {
        let none = Experts {
            list: Address::NULL,
            counts: Address::NULL,
            experts: 0,
            used: 0,
            capacity: 0,
            divide: 1,
        };
        let experts = self.experts.unwrap_or(none);
        let pointers = [
            self.quants,
            self.factors,
            self.values,
            self.out.at,
            experts.list,
            experts.counts,
        ];
        let mode = match self.mode {
            Mode::Store => 0,
            Mode::Add => 1,
            Mode::Silu => 2,
            Mode::Gelu => 3,
        };
        let numbers = [
            self.rows,
            tokens,
            mode,
            self.out.stride,
            experts.experts,
            experts.capacity,
            experts.divide,
            (self.is_pair() && self.up == Matrix::NONE).into(),
        ];
        let all = Parameters::new()
            .nested(&self.matrix.parameters())
            .nested(&self.up.parameters());
        let all = pointers
            .iter()
            .fold(all, |all, pointer| all.pointer(pointer.0));
        numbers.iter().fold(all, |all, number| all.u32(*number))
    }
}
