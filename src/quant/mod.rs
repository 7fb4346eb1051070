//! Quantised tensor types: their block layouts and exact dequantisation. Knows nothing of files or models.

mod types;

pub use types::TensorType;
