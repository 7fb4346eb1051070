//! Every operation of both architectures and whole models of them, in plain Rust and f64: what every kernel is compared
//! with. Knows no speed.

mod activation;
mod attention;
mod conv;
mod decoder;
mod delta_net;
mod delta_rule;
mod error;
mod gated_attention;
mod gemma4;
mod gemma4_attention;
mod kv_cache;
mod matrix;
mod mlp;
mod norm;
mod pass;
mod qwen35moe;
mod rope;
mod router;
mod sampling;
mod softmax;
#[cfg(test)]
mod tests;
mod weights;

pub use activation::{gelu, sigmoid, silu, softcap, softplus};
pub use attention::{attend, attend_streaming};
pub use conv::ConvWindow;
pub use decoder::Decoder;
pub use delta_rule::{DeltaInput, DeltaState, delta_chunk, delta_step};
pub use error::ReferenceError;
pub use kv_cache::KvCache;
pub use matrix::{ExpertMatrices, Matrix, dot};
pub use mlp::{Activation, Experts, GatedMlp};
pub use norm::{l2_unit, rms_norm, rms_unit};
pub use pass::{Form, Observer, Place, Point};
pub use rope::Rope;
pub use router::{Choice, Routing, route, scaled_router_input};
pub use sampling::{greedy, gumbel, sample};
pub use softmax::softmax;
