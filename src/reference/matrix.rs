//! Weights that stay in the file as they are stored: a row is dequantised when it is needed and then forgotten.

use rayon::prelude::*;

use crate::gguf::TensorInfo;
use crate::quant::{QuantError, TensorType, dequantize};

/// Σ aᵢ bᵢ.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sum = 0.0;
    for (a, b) in a.iter().zip(b) {
        sum += a * b;
    }
    sum
}

/// A matrix in a file: `rows` of `columns` elements.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'f> {
    ty: TensorType,
    bytes: &'f [u8],
    columns: usize,
    row_bytes: usize,
}

impl<'f> Matrix<'f> {
    /// The tensor `info`, whose bytes are `bytes`, as a matrix: its first dimension is a row, all others count rows.
    pub fn new(info: &TensorInfo, bytes: &'f [u8]) -> Result<Self, QuantError> {
        let columns = info.dims.first().copied().unwrap_or(1);
        let row_bytes = info.ty.bytes(columns).ok_or(QuantError::PartialBlock {
            ty: info.ty,
            elements: columns,
        })?;
        let matrix = Matrix {
            ty: info.ty,
            bytes,
            columns: columns as usize,
            row_bytes: row_bytes as usize,
        };
        // What one row passes, every row passes.
        let first = bytes.get(..matrix.row_bytes).unwrap_or_default();
        dequantize(info.ty, first, &mut vec![0.0; matrix.columns])?;
        Ok(matrix)
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.bytes.len() / self.row_bytes
    }

    /// Rows `first` to `first + rows` as a matrix of their own; fewer where there are fewer.
    pub fn part(&self, first: usize, rows: usize) -> Matrix<'f> {
        let range = first * self.row_bytes..(first + rows) * self.row_bytes;
        Matrix {
            bytes: self.bytes.get(range).unwrap_or_default(),
            ..*self
        }
    }

    /// Row `row`; no elements where there is none.
    pub fn row(&self, row: usize) -> Vec<f64> {
        self.bytes
            .chunks_exact(self.row_bytes)
            .nth(row)
            .map_or(Vec::new(), |bytes| self.values(bytes))
    }

    /// All rows.
    pub fn to_rows(&self) -> Vec<Vec<f64>> {
        let rows = self.bytes.chunks_exact(self.row_bytes);
        rows.map(|bytes| self.values(bytes)).collect()
    }

    /// W·x for each of `xs`, `[rows]` each. A row is read once for all of them.
    pub fn times(&self, xs: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let by_row: Vec<Vec<f64>> = self
            .bytes
            .par_chunks_exact(self.row_bytes)
            .map(|bytes| {
                let row = self.values(bytes);
                xs.iter().map(|x| dot(&row, x)).collect()
            })
            .collect();
        let of = |index: usize| by_row.iter().map(|products| products[index]).collect();
        (0..xs.len()).map(of).collect()
    }

    fn values(&self, bytes: &[u8]) -> Vec<f64> {
        let mut values = vec![0.0; self.columns];
        // Cannot fail: `new` has refused types and row lengths for which it would.
        let _ = dequantize(self.ty, bytes, &mut values);
        values.into_iter().map(f64::from).collect()
    }
}

/// One matrix for each expert, cut out of a tensor that holds those of all experts.
#[derive(Debug, Clone, Copy)]
pub struct ExpertMatrices<'f> {
    /// The rows of all experts, one expert after another.
    pub all: Matrix<'f>,
    /// Rows from one expert's first to the next one's.
    pub stride: usize,
    /// The first row of an expert that belongs to its matrix.
    pub first: usize,
    /// Rows of its matrix.
    pub rows: usize,
}

impl<'f> ExpertMatrices<'f> {
    /// The matrix of `expert`.
    pub fn of(&self, expert: usize) -> Matrix<'f> {
        self.all.part(expert * self.stride + self.first, self.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows (1, 2), (3, 4), (5, 6) and more, F32.
    fn tensor(dims: &[u64]) -> (TensorInfo, Vec<u8>) {
        let elements: u64 = dims.iter().product();
        let info = TensorInfo {
            name: "w".to_owned(),
            dims: dims.to_vec(),
            ty: TensorType::F32,
            offset: 0,
            bytes: 4 * elements,
        };
        let values = (1..=elements).flat_map(|value| (value as f32).to_le_bytes());
        (info, values.collect())
    }

    #[test]
    fn a_product_has_one_entry_for_each_row() {
        let (info, bytes) = tensor(&[2, 3]);
        let matrix = Matrix::new(&info, &bytes).unwrap();
        assert_eq!(matrix.rows(), 3);
        assert_eq!(matrix.row(1), [3.0, 4.0]);
        let products = matrix.times(&[vec![1.0, 10.0], vec![1.0, 0.0]]);
        assert_eq!(products, [[21.0, 43.0, 65.0], [1.0, 3.0, 5.0]]);
        assert_eq!(matrix.part(1, 1).to_rows(), [[3.0, 4.0]]);
    }

    #[test]
    fn an_expert_is_cut_out_of_the_tensor_of_all() {
        let (info, bytes) = tensor(&[2, 4, 3]); // three experts, a gate of two rows in front of two others
        let up = ExpertMatrices {
            all: Matrix::new(&info, &bytes).unwrap(),
            stride: 4,
            first: 2,
            rows: 2,
        };
        assert_eq!(up.of(1).to_rows(), [[13.0, 14.0], [15.0, 16.0]]);
    }

    #[test]
    fn a_type_without_values_is_refused_at_once() {
        let info = TensorInfo {
            name: "w".to_owned(),
            dims: vec![256, 2],
            ty: TensorType::Q2_K,
            offset: 0,
            bytes: 168,
        };
        let refused = Matrix::new(&info, &[0; 168]).unwrap_err();
        let ty = TensorType::Q2_K;
        assert_eq!(refused, QuantError::Unsupported { ty });
    }
}
