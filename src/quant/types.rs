//! Tensor types by their GGUF id, with the size of one block.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A tensor type of the GGUF format (`ggml_type`). Every type that a public file uses can be listed and sized; the
/// nine that the suite's models use can also be dequantised.
#[allow(non_camel_case_types)] // the names are those of the field: Q4_K, not Q4K
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the variants are the format's own names")]
pub enum TensorType {
    F32,
    F16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q8_1,
    Q2_K,
    Q3_K,
    Q4_K,
    Q5_K,
    Q6_K,
    Q8_K,
    IQ2_XXS,
    IQ2_XS,
    IQ3_XXS,
    IQ1_S,
    IQ4_NL,
    IQ3_S,
    IQ2_S,
    IQ4_XS,
    I8,
    I16,
    I32,
    I64,
    F64,
    IQ1_M,
    BF16,
    TQ1_0,
    TQ2_0,
    MXFP4,
}

use TensorType::*;

/// Type, GGUF id, elements per block, bytes per block.
const TABLE: &[(TensorType, u32, u64, u64)] = &[
    (F32, 0, 1, 4),
    (F16, 1, 1, 2),
    (Q4_0, 2, 32, 18),
    (Q4_1, 3, 32, 20),
    (Q5_0, 6, 32, 22),
    (Q5_1, 7, 32, 24),
    (Q8_0, 8, 32, 34),
    (Q8_1, 9, 32, 36),
    (Q2_K, 10, 256, 84),
    (Q3_K, 11, 256, 110),
    (Q4_K, 12, 256, 144),
    (Q5_K, 13, 256, 176),
    (Q6_K, 14, 256, 210),
    (Q8_K, 15, 256, 292),
    (IQ2_XXS, 16, 256, 66),
    (IQ2_XS, 17, 256, 74),
    (IQ3_XXS, 18, 256, 98),
    (IQ1_S, 19, 256, 50),
    (IQ4_NL, 20, 32, 18),
    (IQ3_S, 21, 256, 110),
    (IQ2_S, 22, 256, 82),
    (IQ4_XS, 23, 256, 136),
    (I8, 24, 1, 1),
    (I16, 25, 1, 2),
    (I32, 26, 1, 4),
    (I64, 27, 1, 8),
    (F64, 28, 1, 8),
    (IQ1_M, 29, 256, 56),
    (BF16, 30, 1, 2),
    (TQ1_0, 34, 256, 54),
    (TQ2_0, 35, 256, 66),
    (MXFP4, 39, 32, 17),
];

impl TensorType {
    /// The type of a GGUF id, if the format defines one.
    pub fn from_id(id: u32) -> Option<Self> {
        TABLE.iter().find(|row| row.1 == id).map(|row| row.0)
    }

    fn row(self) -> &'static (Self, u32, u64, u64) {
        // The table lists every variant; `every_type_has_a_row` holds it to that.
        TABLE.iter().find(|row| row.0 == self).unwrap_or(&TABLE[0])
    }

    /// The id that a GGUF tensor table stores.
    pub fn id(self) -> u32 {
        self.row().1
    }

    /// Elements in one block; a tensor's first dimension is a multiple of it.
    pub fn block_elements(self) -> u64 {
        self.row().2
    }

    /// Bytes of one block.
    pub fn block_bytes(self) -> u64 {
        self.row().3
    }

    /// Bytes of `elements` elements, or `None` if they do not fill whole blocks or the product overflows.
    pub fn bytes(self, elements: u64) -> Option<u64> {
        elements
            .is_multiple_of(self.block_elements())
            .then(|| (elements / self.block_elements()).checked_mul(self.block_bytes()))
            .flatten()
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_a_row() {
        for row in TABLE {
            assert_eq!(TensorType::from_id(row.1), Some(row.0));
            assert_eq!(row.0.id(), row.1);
        }
        assert_eq!(MXFP4.block_bytes(), 17);
    }

    #[test]
    fn a_partial_block_has_no_size() {
        assert_eq!(Q4_K.bytes(255), None);
        assert_eq!(Q4_K.bytes(512), Some(288));
        assert_eq!(F64.bytes(u64::MAX), None);
    }
}
