//! Synthetic weights: files of a model's exact shapes and types whose bytes follow from a seed. Knows no device.

mod blocks;
mod error;
mod plan;
mod tokenizer;
mod values;
mod write;

pub use error::SynthError;
#[cfg(test)]
pub(in crate::model) use plan::lay_out;
pub use plan::{SynthPlan, is_synthetic, plan};
pub use write::{SynthReport, write};
