//! Quantised tensor types: their block layouts and exact dequantisation. Knows nothing of files or models.

mod dequantize;
mod error;
mod float;
mod k;
mod q5;
mod q8;
#[cfg(test)]
mod tests;
mod types;

pub use dequantize::{Dequantizer, dequantize, dequantizer};
pub use error::QuantError;
pub use float::{bf16_to_f32, f16_to_f32};
pub use k::{BlockQ4K, BlockQ5K, BlockQ6K, SubScale};
pub use q5::{BlockQ5_0, BlockQ5_1};
pub use q8::BlockQ8_0;
pub use types::TensorType;
