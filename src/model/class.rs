//! What part of a model a tensor is, by its name alone, so for any architecture whose files use llama.cpp's names.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::architecture::name_in_layer;

/// The part of a model that a tensor belongs to; every tensor has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TensorClass {
    /// Projections of the experts that a router chooses among.
    RoutedExperts,
    /// Everything of linear attention.
    GatedDeltanet,
    /// Query, key, value and output projections of softmax attention.
    SoftmaxAttention,
    /// Projections and gate of the expert that every token uses.
    SharedExpert,
    /// Projections of a dense MLP.
    DenseMlp,
    /// What chooses the experts.
    Router,
    /// The output projection (lm_head), where it is a tensor of its own.
    Output,
    /// The embedding, which is the output projection too where there is none.
    TokenEmbd,
    /// Norms, scales and rotary factors.
    NormsAndScales,
    /// A block that only multi-token prediction uses.
    NextTokenPrediction,
    /// None of these.
    Other,
}

impl TensorClass {
    /// The class of a tensor outside blocks for multi-token prediction.
    pub fn of(name: &str) -> Self {
        match name_in_layer(name) {
            "token_embd.weight" => TensorClass::TokenEmbd,
            "output.weight" => TensorClass::Output,
            "ffn_gate_inp.weight" | "ffn_gate_inp.scale" => TensorClass::Router,
            "attn_qkv.weight" | "attn_gate.weight" => TensorClass::GatedDeltanet,
            "attn_q.weight" | "attn_k.weight" | "attn_v.weight" | "attn_output.weight" => {
                TensorClass::SoftmaxAttention
            }
            "ffn_gate.weight" | "ffn_up.weight" | "ffn_down.weight" => TensorClass::DenseMlp,
            name if name.starts_with("ssm_") => TensorClass::GatedDeltanet,
            name if name.ends_with("_shexp.weight") => TensorClass::SharedExpert,
            name if name.ends_with("_exps.weight") => TensorClass::RoutedExperts,
            name if name.contains("norm")
                || name.contains("scale")
                || name.starts_with("rope_") =>
            {
                TensorClass::NormsAndScales
            }
            _ => TensorClass::Other,
        }
    }

    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            TensorClass::RoutedExperts => "routed experts",
            TensorClass::GatedDeltanet => "gated DeltaNet",
            TensorClass::SoftmaxAttention => "softmax attention",
            TensorClass::SharedExpert => "shared expert",
            TensorClass::DenseMlp => "dense MLP",
            TensorClass::Router => "router",
            TensorClass::Output => "output (lm_head)",
            TensorClass::TokenEmbd => "token embedding",
            TensorClass::NormsAndScales => "norms and scales",
            TensorClass::NextTokenPrediction => "next-token prediction",
            TensorClass::Other => "other",
        }
    }
}

impl fmt::Display for TensorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title())
    }
}
