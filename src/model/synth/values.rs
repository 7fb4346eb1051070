//! What the values of each tensor are drawn from, so that activations stay finite and top-k choices do not hang on
//! rounding.
//!
//! Random weights of the usual size would let every rounding error grow from layer to layer. So the branches' outputs
//! are small beside the residual stream, router logits are well apart, and attention is neither flat nor a spike.

use crate::model::Architecture;
use crate::model::architecture::name_in_layer;

/// The distribution of a tensor's values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Distribution {
    /// Bell-shaped, of bounded width (at most 3.5 standard deviations).
    Normal {
        /// Mean; 0 in quantised tensors.
        mean: f64,
        /// Standard deviation.
        std: f64,
    },
    /// Between 0.9 and 1.1, half of the values negated.
    Signed,
    /// Even between two bounds.
    Uniform {
        /// Lower bound.
        low: f64,
        /// Upper bound.
        high: f64,
    },
    /// Decay rates of a recurrence: from -8 to -1/8, about even in the logarithm.
    Decay,
    /// Factors that leave the first quarter of the rotary pairs as they are and stop the others.
    RopeFactors,
}

use Distribution::*;

/// What the values of tensor `name` are drawn from; `row` is its first dimension.
pub(super) fn distribution(architecture: &Architecture, name: &str, row: u64) -> Distribution {
    let name = name_in_layer(name);
    match architecture {
        Architecture::Qwen35Moe(_) => qwen35moe(name, row),
        Architecture::Gemma4(_) => gemma4(name, row),
    }
}

fn qwen35moe(name: &str, row: u64) -> Distribution {
    match name {
        // The residual stream starts at a quarter, and a branch adds a few hundredths.
        "token_embd.weight" => zero_mean(0.25),
        "attn_output.weight"
        | "ssm_out.weight"
        | "ffn_down_exps.weight"
        | "ffn_down_shexp.weight" => zero_mean(0.05 * per_root(row)),
        "ffn_gate_inp.weight" | "ffn_gate_inp_shexp.weight" => zero_mean(2.0 * per_root(row)),
        "ssm_conv1d.weight" => zero_mean(0.5),
        "ssm_dt.bias" => Uniform {
            low: -4.0,
            high: 1.0,
        },
        "ssm_a" => Decay,
        name if name.contains("norm") => near(1.0),
        _ => zero_mean(per_root(row)),
    }
}

fn gemma4(name: &str, row: u64) -> Distribution {
    match name {
        // Attention scores are not divided by the root of the head dimension.
        "attn_q_norm.weight" | "attn_k_norm.weight" => near(0.35),
        // These normalise what a branch adds, so they alone decide its size. Attention has the larger share: it brings
        // in the context, and no top-k choice in it magnifies rounding.
        "post_attention_norm.weight" => near(0.1),
        "post_ffw_norm.weight" => near(0.05),
        // Embedding and output are one tensor: without the signs every token would predict itself.
        "output_norm.weight" => Signed,
        // The router's input has unit length, not unit mean square.
        "ffn_gate_inp.weight" => zero_mean(2.0),
        "layer_output_scale.weight" => Uniform {
            low: 0.9,
            high: 1.0,
        },
        "rope_freqs.weight" => RopeFactors,
        name if name.contains("norm") || name.ends_with(".scale") => near(1.0),
        _ => zero_mean(per_root(row)),
    }
}

fn zero_mean(std: f64) -> Distribution {
    Normal { mean: 0.0, std }
}

/// Positive values about `mean`, at most 35 % off.
fn near(mean: f64) -> Distribution {
    Normal {
        mean,
        std: 0.1 * mean,
    }
}

/// The standard deviation that keeps the size of a vector of `row` elements. IEEE 754 rounds square roots exactly.
fn per_root(row: u64) -> f64 {
    1.0 / (row as f64).sqrt()
}
