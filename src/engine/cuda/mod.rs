//! The engine on an NVIDIA GPU: the weights' own bytes in device memory, a token as one graph of kernels, and a loop in
//! which the device chooses the next token while the host reads the one before.

mod batch;
mod buffers;
mod engine;
mod gemma;
mod memory;
mod parts;
mod plan;
mod planner;
mod profile;
mod prompt_profile;
mod qwen;
mod rows;
mod run;
mod scratch;
#[cfg(test)]
mod tests;
mod upload;

pub use engine::CudaEngine;
pub use prompt_profile::{LaunchTime, PromptProfile};
