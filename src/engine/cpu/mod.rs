//! The engine on the host's processor: `f32` activations, KV cache and state; weights read where the file is mapped.

mod activations;
mod attention;
mod delta_net;
mod engine;
mod experts;
mod gemma4;
mod layer;
mod matrix;
mod memory;
mod network;
mod norm;
mod qwen35moe;
mod rope;
#[cfg(test)]
mod tests;
mod weights;

pub use engine::CpuEngine;
