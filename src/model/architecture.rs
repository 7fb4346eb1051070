//! What the rest of the suite asks of a model, whichever of the two architectures it has.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::gguf::{Metadata, TensorInfo, Value};
use crate::quant::TensorType;

use super::{Gemma4, ModelError, Qwen35Moe, Scale};

/// A model that the suite targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Model {
    /// Qwen3.5-35B-A3B.
    #[serde(rename = "qwen35_35b_a3b")]
    Qwen35,
    /// Gemma 4 26B-A4B.
    #[serde(rename = "gemma4_26b_a4b")]
    Gemma4,
}

/// How a layer mixes positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerKind {
    /// Softmax attention over every earlier position.
    FullAttention,
    /// Softmax attention over a window of positions.
    SlidingAttention,
    /// Linear attention with a state of fixed size (Gated DeltaNet).
    GatedDeltaNet,
}

/// The hyper-parameters of a model of one of the two architectures.
#[derive(Debug, Clone, PartialEq)]
pub enum Architecture {
    /// `qwen35moe`
    Qwen35Moe(Qwen35Moe),
    /// `gemma4`
    Gemma4(Gemma4),
}

/// A tensor that an architecture has: its name and dimensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorShape {
    /// Name in the file.
    pub name: String,
    /// Elements along each dimension, fastest first.
    pub dims: Vec<u64>,
}

impl Model {
    /// Every model.
    pub const ALL: [Model; 2] = [Model::Qwen35, Model::Gemma4];

    /// The name that the command line and the configurations use.
    pub fn name(self) -> &'static str {
        match self {
            Model::Qwen35 => "qwen35_35b_a3b",
            Model::Gemma4 => "gemma4_26b_a4b",
        }
    }

    /// The name that the publisher uses.
    pub fn title(self) -> &'static str {
        match self {
            Model::Qwen35 => "Qwen3.5-35B-A3B",
            Model::Gemma4 => "Gemma 4 26B-A4B",
        }
    }

    /// Hyper-parameters at a scale.
    pub fn architecture(self, scale: Scale) -> Architecture {
        match (self, scale) {
            (Model::Qwen35, Scale::Full) => Architecture::Qwen35Moe(Qwen35Moe::full()),
            (Model::Qwen35, Scale::Tiny) => Architecture::Qwen35Moe(Qwen35Moe::tiny()),
            (Model::Gemma4, Scale::Full) => Architecture::Gemma4(Gemma4::full()),
            (Model::Gemma4, Scale::Tiny) => Architecture::Gemma4(Gemma4::tiny()),
        }
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Model {
    type Err = ModelError;

    fn from_str(name: &str) -> Result<Self, ModelError> {
        Model::ALL
            .into_iter()
            .find(|model| model.name() == name)
            .ok_or_else(|| ModelError::UnknownModel {
                found: name.to_owned(),
                known: Model::ALL.map(Model::name).join(", "),
            })
    }
}

impl Architecture {
    /// Reads the hyper-parameters of a file. The vocabulary's size is that of the embedding, and a trailing block for
    /// multi-token prediction is not counted as a layer.
    pub fn read(metadata: &Metadata, tensors: &[TensorInfo]) -> Result<Self, ModelError> {
        match metadata.str("general.architecture")? {
            Qwen35Moe::NAME => Qwen35Moe::read(metadata, tensors).map(Architecture::Qwen35Moe),
            Gemma4::NAME => Gemma4::read(metadata, tensors).map(Architecture::Gemma4),
            other => Err(ModelError::Architecture {
                found: other.to_owned(),
            }),
        }
    }

    /// `general.architecture` of its files.
    pub fn name(&self) -> &'static str {
        match self {
            Architecture::Qwen35Moe(_) => Qwen35Moe::NAME,
            Architecture::Gemma4(_) => Gemma4::NAME,
        }
    }

    /// The kind of each layer.
    pub fn layers(&self) -> &[LayerKind] {
        match self {
            Architecture::Qwen35Moe(shape) => &shape.layers,
            Architecture::Gemma4(shape) => &shape.layers,
        }
    }

    /// Number of tokens that it knows.
    pub fn vocabulary(&self) -> u64 {
        match self {
            Architecture::Qwen35Moe(shape) => shape.vocabulary,
            Architecture::Gemma4(shape) => shape.vocabulary,
        }
    }

    /// Longest context that it was made for, in tokens.
    pub fn context(&self) -> u64 {
        match self {
            Architecture::Qwen35Moe(shape) => shape.context,
            Architecture::Gemma4(shape) => shape.context,
        }
    }

    /// Routed experts of a layer, and how many of them a token uses.
    pub fn experts(&self) -> (u64, u64) {
        match self {
            Architecture::Qwen35Moe(shape) => (shape.experts, shape.experts_used),
            Architecture::Gemma4(shape) => (shape.experts, shape.experts_used),
        }
    }

    /// Every tensor in the order that llama.cpp writes: those of no layer first, then layer by layer, each by name.
    pub fn tensors(&self) -> Vec<TensorShape> {
        let mut tensors = match self {
            Architecture::Qwen35Moe(shape) => shape.tensors(),
            Architecture::Gemma4(shape) => shape.tensors(),
        };
        tensors.sort_by(|a, b| (layer_of(&a.name), &a.name).cmp(&(layer_of(&b.name), &b.name)));
        tensors
    }

    /// The hyper-parameters as a file states them, in the order of its writer.
    pub fn metadata(&self) -> Vec<(String, Value)> {
        match self {
            Architecture::Qwen35Moe(shape) => shape.metadata(),
            Architecture::Gemma4(shape) => shape.metadata(),
        }
    }

    /// Bytes that the keys and values of `context` tokens take, which is also what decoding one more token reads.
    /// `None` where a head's row does not fill whole blocks of `element`.
    pub fn kv_bytes(&self, context: u64, element: TensorType) -> Option<u64> {
        let mut total = 0u64;
        for layer in 0..self.layers().len() {
            let Some((heads, head_dim, window)) = self.kv_of(layer) else {
                continue;
            };
            let position = element.bytes(head_dim)?.saturating_mul(2 * heads);
            total = total.saturating_add(position.saturating_mul(context.min(window)));
        }
        Some(total)
    }

    /// KV heads, their dimension and the most positions kept, of a layer with softmax attention.
    fn kv_of(&self, layer: usize) -> Option<(u64, u64, u64)> {
        match self {
            Architecture::Qwen35Moe(shape) => shape.kv_of(layer),
            Architecture::Gemma4(shape) => shape.kv_of(layer),
        }
    }

    /// Bytes of the recurrent state (Gated DeltaNet's matrices and convolution windows in f32), whatever the context.
    pub fn state_bytes(&self) -> u64 {
        match self {
            Architecture::Qwen35Moe(shape) => shape.state_bytes() + shape.conv_bytes(),
            Architecture::Gemma4(_) => 0,
        }
    }

    /// Tensors that are used where a file has them, and done without where it has not.
    fn optional_tensors(&self) -> Vec<TensorShape> {
        match self {
            Architecture::Qwen35Moe(_) => Vec::new(),
            Architecture::Gemma4(shape) => shape.optional_tensors(),
        }
    }

    /// Whether `tensors` has every tensor that decoding needs, with the right dimensions. Accepted variants: experts'
    /// gate and up projections fused or apart, a vector with a dimension of one behind it, an output projection of its
    /// own or the embedding's, a value projection in Gemma's full attention, and blocks that only multi-token
    /// prediction uses.
    pub fn check_tensors(&self, tensors: &[TensorInfo]) -> Result<(), ModelError> {
        let by_name: std::collections::HashMap<&str, &TensorInfo> = tensors
            .iter()
            .map(|tensor| (tensor.name.as_str(), tensor))
            .collect();
        let required = self.tensors().into_iter().map(|tensor| (tensor, true));
        let optional = self.optional_tensors().into_iter();
        for (expected, required) in required.chain(optional.map(|tensor| (tensor, false))) {
            let here = by_name.contains_key(expected.name.as_str());
            let (present, variant) = match other_gate_up(&expected) {
                Some(variant) if !here => (variant, Vec::new()),
                // Without a projection of its own, the output is the embedding's.
                _ if !here && (!required || expected.name == OUTPUT) => continue,
                // Whatever may be used must be right, needed or not.
                variant => (vec![expected], variant.unwrap_or_default()),
            };
            let present = present.into_iter().map(|tensor| (tensor, true));
            let variant = variant.into_iter().map(|tensor| (tensor, false));
            for (TensorShape { name, dims }, needed) in present.chain(variant) {
                let Some(found) = by_name.get(name.as_str()) else {
                    match needed {
                        true => return Err(ModelError::MissingTensor { name }),
                        false => continue,
                    }
                };
                if trimmed(&found.dims) != trimmed(&dims) {
                    return Err(ModelError::TensorShape {
                        name,
                        expected: dims,
                        found: found.dims.clone(),
                    });
                }
            }
        }
        self.refuse_further_layers(tensors)
    }

    /// Refuses a file with more layers than its metadata counts, which would be decoded without them.
    fn refuse_further_layers(&self, tensors: &[TensorInfo]) -> Result<(), ModelError> {
        let layers = self.layers().len();
        let predictors = predictors(tensors);
        let further = tensors
            .iter()
            .filter_map(|tensor| layer_of(&tensor.name))
            .filter(|layer| *layer >= layers && !predictors.contains(layer))
            .max();
        match further {
            None => Ok(()),
            Some(further) => Err(ModelError::Inconsistent {
                key: format!("{}.block_count", self.name()),
                expected: format!("above {further}, a block that has tensors"),
                found: layers.to_string(),
            }),
        }
    }
}

/// Blocks that only multi-token prediction uses: those with `nextn` tensors.
pub(super) fn predictors(tensors: &[TensorInfo]) -> BTreeSet<usize> {
    tensors
        .iter()
        .filter(|tensor| tensor.name.contains(".nextn."))
        .filter_map(|tensor| layer_of(&tensor.name))
        .collect()
}

/// The output projection.
const OUTPUT: &str = "output.weight";

/// The layer that a tensor `blk.N.*` belongs to.
pub(super) fn layer_of(name: &str) -> Option<usize> {
    name.strip_prefix("blk.")?.split('.').next()?.parse().ok()
}

/// What a tensor `blk.N.*` is in its layer: the name behind the layer's number; the whole name of any other tensor.
pub(super) fn name_in_layer(name: &str) -> &str {
    name.strip_prefix("blk.")
        .and_then(|rest| rest.split_once('.'))
        .map_or(name, |(_, name)| name)
}

/// The tensors that may stand for a routed expert projection: fused for one of gate and up, both for fused.
fn other_gate_up(tensor: &TensorShape) -> Option<Vec<TensorShape>> {
    let [row, width, experts] = tensor.dims[..] else {
        return None;
    };
    let renamed = |from: &str, to: &str, width: u64| TensorShape {
        name: tensor.name.replace(from, to),
        dims: vec![row, width, experts],
    };
    const FUSED: &str = "ffn_gate_up_exps";
    match name_in_layer(&tensor.name) {
        "ffn_gate_exps.weight" => Some(vec![renamed("ffn_gate_exps", FUSED, 2 * width)]),
        "ffn_up_exps.weight" => Some(vec![renamed("ffn_up_exps", FUSED, 2 * width)]),
        "ffn_gate_up_exps.weight" => Some(vec![
            renamed(FUSED, "ffn_gate_exps", width / 2),
            renamed(FUSED, "ffn_up_exps", width / 2),
        ]),
        _ => None,
    }
}

/// Dimensions without trailing ones.
fn trimmed(dims: &[u64]) -> &[u64] {
    let len = dims
        .iter()
        .rposition(|dim| *dim != 1)
        .map_or(0, |last| last + 1);
    &dims[..len]
}

#[cfg(test)]
mod tests {
    use super::super::inspect::inspect;
    use super::super::sample::{Sample, SampleTensor, micro_gemma4, micro_qwen35moe};
    use super::*;
    use crate::quant::TensorType::F32;

    fn sample(architecture: Architecture) -> Sample {
        Sample::new(&architecture, 1, F32)
    }

    /// Why the file is no model, or nothing.
    fn refusal(sample: &Sample) -> String {
        let inspected = inspect(&sample.file(), &[], &[]);
        inspected
            .err()
            .map_or(String::new(), |error| error.to_string())
    }

    #[test]
    fn tensors_that_are_there_twice_over_are_right_both_times() {
        let fused = |dims: [u64; 3]| {
            let mut sample = sample(Architecture::Qwen35Moe(micro_qwen35moe()));
            sample.tensors.push(SampleTensor {
                name: "blk.1.ffn_gate_up_exps.weight".to_owned(),
                dims: dims.to_vec(),
                ty: F32,
                bytes: vec![0; 4 * dims.iter().product::<u64>() as usize],
            });
            refusal(&sample)
        };
        assert_eq!(fused([24, 24, 7]), "");
        for dims in [[24, 24, 6], [24, 12, 7], [12, 24, 7]] {
            assert_eq!(
                fused(dims),
                format!(
                    "expected tensor blk.1.ffn_gate_up_exps.weight of dimensions [24, 24, 7], found {dims:?}"
                )
            );
        }
    }

    #[test]
    fn layers_that_the_metadata_does_not_count_are_not_left_out() {
        let mut sample = sample(Architecture::Qwen35Moe(micro_qwen35moe()));
        sample.set("qwen35moe.block_count", Value::U32(2));
        assert_eq!(
            refusal(&sample),
            "expected qwen35moe.block_count to be above 3, a block that has tensors, found 2"
        );
    }

    #[test]
    fn a_model_of_the_family_without_experts_is_listed_like_another_architecture() {
        let mut sample = sample(Architecture::Gemma4(micro_gemma4()));
        sample
            .metadata
            .retain(|(key, _)| key != "gemma4.expert_count");
        let found = inspect(&sample.file(), &[], &[]).unwrap();
        assert_eq!(
            found.no_decode_because.unwrap(),
            "expected architecture qwen35moe or gemma4, found gemma4 without experts"
        );
    }
}
