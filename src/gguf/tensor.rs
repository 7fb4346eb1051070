//! One row of the tensor table, checked by itself. Knows nothing of its neighbours or of the file.

use crate::quant::TensorType;

use super::GgufError;
use super::error::shown;

/// Most dimensions of a tensor (llama.cpp's `GGML_MAX_DIMS`).
pub(super) const MAX_DIMS: u32 = 4;

/// A tensor of a file: what it is and where its bytes lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Name, unique in its file.
    pub name: String,
    /// Elements along each dimension, fastest first: one to four numbers, none of them 0.
    pub dims: Vec<u64>,
    /// Element type.
    pub ty: TensorType,
    /// First byte, counted from the start of the file.
    pub offset: u64,
    /// Number of bytes.
    pub bytes: u64,
}

impl TensorInfo {
    /// Number of elements.
    pub fn elements(&self) -> u64 {
        self.bytes / self.ty.block_bytes() * self.ty.block_elements()
    }

    /// One past the last byte. No tensor that was read or laid out overflows it.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.bytes)
    }
}

/// Bytes of a tensor of these dimensions: every dimension is at least 1, a row fills whole blocks and the size fits
/// 63 bits, as offsets in files do.
pub(super) fn tensor_bytes(name: &str, dims: &[u64], ty: TensorType) -> Result<u64, GgufError> {
    if dims.contains(&0) {
        return Err(GgufError::EmptyDimension {
            tensor: shown(name),
            dims: dims.to_vec(),
        });
    }
    let row = dims.first().copied().unwrap_or(1);
    if !row.is_multiple_of(ty.block_elements()) {
        return Err(GgufError::PartialBlock {
            tensor: shown(name),
            ty,
            row,
        });
    }
    dims.iter()
        .try_fold(1u64, |product, dim| product.checked_mul(*dim))
        .and_then(|elements| ty.bytes(elements))
        .filter(|bytes| i64::try_from(*bytes).is_ok())
        .ok_or_else(|| GgufError::SizeOverflow {
            tensor: shown(name),
            dims: dims.to_vec(),
        })
}
