//! Which type each tensor of a published Q4_K_M file has. Knows the rules of those who made the files, not the files.
//!
//! Source: llama.cpp's `llama-quantize` at commit 0c1e5709 and the builds of early 2026 before it; the rules of unsloth
//! are inferred from the published files' sizes, which they reproduce to the byte.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::quant::TensorType::{self, *};

use super::architecture::{layer_of, name_in_layer};
use super::{Architecture, Model, ModelError, TensorShape};

/// A recipe that gives every tensor its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mix {
    /// Qwen by lmstudio-community, made by llama.cpp of February 2026.
    #[serde(rename = "lmstudio-feb2026")]
    LmstudioFeb2026,
    /// Qwen by today's llama.cpp.
    #[serde(rename = "llama.cpp")]
    LlamaCpp,
    /// Qwen by unsloth.
    #[serde(rename = "unsloth")]
    Unsloth,
    /// Gemma by ggml-org, made by llama.cpp.
    #[serde(rename = "ggml-org")]
    GgmlOrg,
    /// Gemma by unsloth.
    #[serde(rename = "unsloth-ud")]
    UnslothUd,
}

impl Mix {
    /// The mixes of a model; the first is that of the file that the suite pins.
    pub fn of(model: Model) -> &'static [Mix] {
        match model {
            Model::Qwen35 => &[Mix::LmstudioFeb2026, Mix::LlamaCpp, Mix::Unsloth],
            Model::Gemma4 => &[Mix::GgmlOrg, Mix::UnslothUd],
        }
    }

    /// The mix of the file that the suite pins.
    pub fn pinned(model: Model) -> Mix {
        match model {
            Model::Qwen35 => Mix::LmstudioFeb2026,
            Model::Gemma4 => Mix::GgmlOrg,
        }
    }

    /// The mix of a model by name.
    pub fn parse(model: Model, name: &str) -> Result<Mix, ModelError> {
        let mixes = Mix::of(model);
        mixes
            .iter()
            .copied()
            .find(|mix| mix.name() == name)
            .ok_or_else(|| ModelError::UnknownMix {
                model: model.name(),
                found: name.to_owned(),
                known: mixes
                    .iter()
                    .map(|mix| mix.name())
                    .collect::<Vec<_>>()
                    .join(", "),
            })
    }

    /// The name that the command line uses.
    pub fn name(self) -> &'static str {
        match self {
            Mix::LmstudioFeb2026 => "lmstudio-feb2026",
            Mix::LlamaCpp => "llama.cpp",
            Mix::Unsloth => "unsloth",
            Mix::GgmlOrg => "ggml-org",
            Mix::UnslothUd => "unsloth-ud",
        }
    }

    /// The type of every tensor of `architecture`, in the order of its tensors.
    pub fn types(self, architecture: &Architecture) -> Vec<TensorType> {
        let tensors = architecture.tensors();
        let rule = Rule {
            mix: self,
            layers: architecture.layers().len(),
            tied: !tensors.iter().any(|tensor| tensor.name == "output.weight"),
            values: self.value_positions(&tensors),
        };
        tensors.iter().map(|tensor| rule.type_of(tensor)).collect()
    }

    /// How each value projection counts in the rule that gives some of them more bits: its index among those that
    /// advance the count, of how many in all.
    ///
    /// `attn_qkv` counts as a value projection. In the old builds it did not advance the count, yet was part of the
    /// total.
    fn value_positions(self, tensors: &[TensorShape]) -> HashMap<String, (usize, usize)> {
        let is =
            |tensor: &&TensorShape, names: &[&str]| names.contains(&name_in_layer(&tensor.name));
        let advancing: &[&str] = match self {
            Mix::LmstudioFeb2026 => &["attn_v.weight"],
            _ => &["attn_v.weight", "attn_qkv.weight"],
        };
        let total = tensors
            .iter()
            .filter(|tensor| is(tensor, &["attn_v.weight", "attn_qkv.weight"]))
            .count();
        let counted = tensors
            .iter()
            .filter(|tensor| is(tensor, advancing))
            .enumerate();
        counted
            .map(|(index, tensor)| (tensor.name.clone(), (index, total)))
            .collect()
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A mix applied to one architecture.
struct Rule {
    mix: Mix,
    layers: usize,
    /// The embedding is the output projection too.
    tied: bool,
    values: HashMap<String, (usize, usize)>,
}

impl Rule {
    fn type_of(&self, tensor: &TensorShape) -> TensorType {
        if stays_f32(tensor) {
            return F32;
        }
        let wanted = match self.mix {
            Mix::LmstudioFeb2026 | Mix::LlamaCpp | Mix::GgmlOrg => self.llama_cpp(&tensor.name),
            Mix::Unsloth => unsloth(&tensor.name),
            Mix::UnslothUd => unsloth_ud(&tensor.name),
        };
        if tensor.dims[0].is_multiple_of(wanted.block_elements()) {
            return wanted;
        }
        // A row that fills no whole block of 256 falls back to a type with blocks of 32.
        match wanted {
            Q4_K => Q5_0,
            Q5_K => Q5_1,
            _ => Q8_0,
        }
    }

    fn llama_cpp(&self, name: &str) -> TensorType {
        let q6_if = |more: bool| if more { Q6_K } else { Q4_K };
        match name_in_layer(name) {
            "output.weight" => Q6_K,
            "token_embd.weight" => q6_if(self.tied),
            "attn_qkv.weight" if self.mix == Mix::LmstudioFeb2026 => Q5_K,
            part if part.starts_with("ffn_down") => {
                q6_if(layer_of(name).is_some_and(|layer| gets_more_bits(layer, self.layers)))
            }
            _ => q6_if(
                self.values
                    .get(name)
                    .is_some_and(|(index, count)| gets_more_bits(*index, *count)),
            ),
        }
    }
}

/// The first and the last eighth, and every third in between.
fn gets_more_bits(index: usize, count: usize) -> bool {
    index < count / 8 || index >= 7 * count / 8 || (index - count / 8) % 3 == 2
}

/// Vectors, norms, the router and the convolution are not quantised.
fn stays_f32(tensor: &TensorShape) -> bool {
    let name = name_in_layer(&tensor.name);
    tensor.dims.len() < 2
        || !name.ends_with("weight")
        || name == "ffn_gate_inp.weight"
        || name == "ssm_conv1d.weight"
}

/// Which of embedding and output has Q8_0 and which Q6_K does not show in the file's size; this is one of the two.
fn unsloth(name: &str) -> TensorType {
    match name_in_layer(name) {
        "output.weight" => Q6_K,
        "ffn_gate_exps.weight" | "ffn_up_exps.weight" => Q4_K,
        "ffn_down_exps.weight" => Q5_K,
        _ => Q8_0,
    }
}

/// One layer's `ffn_down_exps` has Q8_0; which one does not show in the file's size, so the first stands for it.
fn unsloth_ud(name: &str) -> TensorType {
    match name_in_layer(name) {
        "ffn_gate_up_exps.weight" => Q4_K,
        "ffn_down_exps.weight" if layer_of(name) != Some(0) => Q5_K,
        _ => Q8_0,
    }
}
