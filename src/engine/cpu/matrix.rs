//! Products of quantised matrices with vectors. Every element of a product is summed by one thread in one order, so it
//! depends neither on the number of threads nor on the vectors beside it.

use std::sync::Arc;

use rayon::prelude::*;

use crate::gguf::{Gguf, TensorInfo};
use crate::quant::{Dequantizer, QuantError, dequantizer};

use super::activations::Activations;

/// Weights of a row that are dequantised together; whole blocks of every type.
const PANEL: usize = 256;
/// Rows whose panels lie dequantised in the first-level cache while several vectors pass over them.
const TILE_ROWS: usize = 8;
/// Weights that are worth the start of a task.
const TASK_WEIGHTS: usize = 1 << 16;

/// A matrix where the file is mapped, \[rows\]\[columns\]. Experts' matrices are stacked into one.
#[derive(Debug, Clone)]
pub(super) struct Matrix {
    file: Arc<Gguf>,
    tensor: TensorInfo,
    dequantize: Dequantizer,
}

/// Some rows of a matrix.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a> {
    bytes: &'a [u8],
    columns: usize,
    row_bytes: usize,
    panel_bytes: usize,
    dequantize: Dequantizer,
}

impl Matrix {
    /// The matrix that `tensor` of `file` holds.
    pub fn new(file: &Arc<Gguf>, tensor: &TensorInfo) -> Result<Self, QuantError> {
        Ok(Matrix {
            file: Arc::clone(file),
            dequantize: dequantizer(tensor.ty)?,
            tensor: tensor.clone(),
        })
    }

    /// Elements of a row.
    pub fn columns(&self) -> usize {
        self.tensor.dims.first().map_or(1, |dim| *dim as usize)
    }

    /// Number of rows, of all experts together.
    pub fn rows(&self) -> usize {
        self.tensor.dims.iter().skip(1).product::<u64>() as usize
    }

    /// All rows.
    pub fn all(&self) -> Rows<'_> {
        self.part(0, self.rows())
    }

    /// `count` rows from row `first` on; none if the matrix does not have them.
    pub fn part(&self, first: usize, count: usize) -> Rows<'_> {
        let ty = self.tensor.ty;
        let row_bytes = ty.bytes(self.columns() as u64).unwrap_or(0) as usize;
        let bytes = self.file.bytes(&self.tensor);
        let range = first * row_bytes..(first + count) * row_bytes;
        Rows {
            bytes: bytes.get(range).unwrap_or_default(),
            columns: self.columns(),
            row_bytes: row_bytes.max(1),
            panel_bytes: ty.bytes(PANEL as u64).unwrap_or(0).max(1) as usize,
            dequantize: self.dequantize,
        }
    }

    /// The product with each vector of `x`.
    pub fn times(&self, x: &Activations) -> Activations {
        self.all().times(x)
    }
}

impl Rows<'_> {
    /// Writes the weights of the rows, one after another, to `out`.
    pub fn dequantize(&self, out: &mut [f32]) {
        (self.dequantize)(self.bytes, out);
    }

    /// The product with each vector of `x`: \[tokens\]\[rows\].
    pub fn times(&self, x: &Activations) -> Activations {
        let tokens = x.tokens();
        let rows = self.bytes.len() / self.row_bytes;
        // A tile's results are neighbours by row, not by token.
        let mut by_row = Activations::zeros(rows, tokens);
        let tile_rows = if tokens == 1 { 1 } else { TILE_ROWS };
        by_row
            .values_mut()
            .par_chunks_mut(tile_rows * tokens.max(1))
            .zip(self.bytes.par_chunks(tile_rows * self.row_bytes))
            .with_min_len(TASK_WEIGHTS.div_ceil(tile_rows * tokens.max(1) * self.columns))
            .for_each_init(Tile::default, |tile, (out, bytes)| {
                tile.multiply(self, bytes, x, out);
            });
        by_row.transposed()
    }
}

/// What one thread needs for the product of a few rows.
#[derive(Default)]
struct Tile {
    /// \[rows\]\[PANEL\]
    weights: Vec<f32>,
    /// \[rows\]\[tokens\]
    sums: Vec<f64>,
}

impl Tile {
    /// Writes the products of the rows in `bytes` to `out`, \[rows\]\[tokens\].
    fn multiply(&mut self, of: &Rows<'_>, bytes: &[u8], x: &Activations, out: &mut [f32]) {
        let tokens = x.tokens();
        let rows = bytes.len() / of.row_bytes;
        self.weights.resize(rows * PANEL, 0.0);
        self.sums.clear();
        self.sums.resize(out.len(), 0.0);
        for (panel, start) in (0..of.columns).step_by(PANEL).enumerate() {
            let len = PANEL.min(of.columns - start);
            for (weights, row) in self
                .weights
                .chunks_exact_mut(PANEL)
                .zip(bytes.chunks_exact(of.row_bytes))
            {
                let from = panel * of.panel_bytes;
                let to = of.row_bytes.min(from + of.panel_bytes);
                (of.dequantize)(&row[from..to], &mut weights[..len]);
            }
            for (token, x) in x.rows().enumerate() {
                let x = &x[start..start + len];
                let weights = self.weights.chunks_exact(PANEL);
                let sums = self.sums.chunks_exact_mut(tokens);
                for (weights, sums) in weights.zip(sums) {
                    sums[token] += f64::from(dot(&weights[..len], x));
                }
            }
        }
        for (out, sum) in out.iter_mut().zip(&self.sums) {
            *out = *sum as f32;
        }
    }
}

/// Sums kept side by side, so that the loop becomes vector instructions without a chain of dependences.
const LANES: usize = 16;

/// The sum of products of two short vectors of equal length, in single precision.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    let mut lanes = [0.0f32; LANES];
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        add_products(&mut lanes, a, b);
    }
    if !a_rest.is_empty() {
        let (mut a, mut b) = ([0.0; LANES], [0.0; LANES]);
        a[..a_rest.len()].copy_from_slice(a_rest);
        b[..b_rest.len()].copy_from_slice(b_rest);
        add_products(&mut lanes, &a, &b);
    }
    // Halves are added to halves: no rounding error passes through more than four sums here.
    let eight: [f32; 8] = halved(&lanes);
    let four: [f32; 4] = halved(&eight);
    let [low, high]: [f32; 2] = halved(&four);
    low + high
}

#[inline(always)]
fn add_products(lanes: &mut [f32; LANES], a: &[f32; LANES], b: &[f32; LANES]) {
    // Counted by hand, because an unoptimised build would spend its time in the range.
    let mut lane = 0;
    while lane < LANES {
        lanes[lane] += a[lane] * b[lane];
        lane += 1;
    }
}

/// The first half of `lanes` plus the second. `HALF` is half of their number.
fn halved<const HALF: usize>(lanes: &[f32]) -> [f32; HALF] {
    std::array::from_fn(|lane| lanes[lane] + lanes[lane + HALF])
}
