//! The two model architectures as data: shapes, tensor tables, type rules, memory, synthetic weights. Runs nothing.

mod architecture;
mod class;
mod error;
mod gemma4;
mod hyper_parameters;
pub mod inspect;
mod mix;
mod qwen35moe;
#[cfg(test)]
pub(crate) mod sample;
pub mod synth;
#[cfg(test)]
mod tests;
mod token;

pub use crate::config::SyntheticScale as Scale;
pub use architecture::{Architecture, LayerKind, Model, TensorShape};
pub use class::TensorClass;
pub use error::ModelError;
pub use gemma4::Gemma4;
pub use mix::Mix;
pub use qwen35moe::Qwen35Moe;
pub use token::{TokenType, byte_letter};
