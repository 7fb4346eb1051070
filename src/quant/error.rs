//! Why bytes could not be dequantised.

use super::TensorType;

/// A request that does not fit the type's blocks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "each message says what the variant and its fields are"
)]
pub enum QuantError {
    #[error(
        "expected a type that can be dequantised (F32, F16, BF16, Q8_0, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K), found {ty}"
    )]
    Unsupported { ty: TensorType },
    #[error("expected whole blocks of {} {ty} elements, found {elements} elements", ty.block_elements())]
    PartialBlock { ty: TensorType, elements: u64 },
    #[error("expected {expected} bytes for {elements} {ty} elements, found {found}")]
    Size {
        ty: TensorType,
        elements: u64,
        expected: u64,
        found: u64,
    },
}

impl QuantError {
    /// What to do next, where something can be done.
    pub fn hint(&self) -> Option<String> {
        match self {
            QuantError::Unsupported { .. } => {
                Some("use a file whose tensors have one of these types".to_owned())
            }
            QuantError::PartialBlock { .. } | QuantError::Size { .. } => None,
        }
    }
}
