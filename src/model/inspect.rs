//! What a file is made of and what decoding with it must move. Computes from the header alone and prints nothing.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;

use crate::gguf::{Array, Gguf, Metadata, TensorInfo, Value};
use crate::quant::TensorType;

use super::architecture::{layer_of, predictors};
use super::{Architecture, ModelError, TensorClass};

/// The element type of keys and values that every figure here assumes.
pub const KV_TYPE: TensorType = TensorType::F16;

/// Longest array of hyper-parameters that is listed in full.
const LISTED_ELEMENTS: usize = 1024;

/// A machine for which a bandwidth limit is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// Its name.
    pub name: String,
    /// Its memory bandwidth in 10^9 bytes per second.
    pub bandwidth_gbps: f64,
}

/// What a file contains.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// `general.architecture`
    pub architecture: Option<String>,
    /// `general.name`
    pub name: Option<String>,
    /// Length of the file.
    pub file_bytes: u64,
    /// Number of tensors.
    pub tensors: u64,
    /// Elements of all tensors.
    pub parameters: u64,
    /// Bytes of all tensors, without the padding between them.
    pub tensor_bytes: u64,
    /// Bytes of metadata and tensor table: everything before the first tensor.
    pub header_bytes: u64,
    /// The architecture's own keys, in file order.
    pub hyper_parameters: Vec<HyperParameter>,
    /// Totals by type.
    pub types: Vec<TypeTotal>,
    /// Totals by class.
    pub classes: Vec<ClassTotal>,
    /// What decoding moves, for the architectures that the suite knows.
    pub decode: Option<Decode>,
    /// Why there is no `decode`.
    pub no_decode_because: Option<String>,
}

/// One hyper-parameter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HyperParameter {
    /// Key in the file.
    pub key: String,
    /// Its value; a text where JSON has no such number or an array is very long.
    pub value: serde_json::Value,
}

/// Tensors of one type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TypeTotal {
    /// The type.
    pub r#type: TensorType,
    /// How many tensors have it.
    pub tensors: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Tensors of one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClassTotal {
    /// The class.
    pub class: TensorClass,
    /// How many tensors are of it.
    pub tensors: u64,
    /// Their elements.
    pub parameters: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The same by type.
    pub types: Vec<TypeTotal>,
}

/// What decoding one token at batch size 1 reads, and what must stay in memory for it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Decode {
    /// Weights read per token, by class. A class that decoding does not touch is absent. Where the embedding is the
    /// output projection too, its class has the whole of it and the token's row.
    pub weights_by_class: Vec<ClassBytes>,
    /// Weights read per token.
    pub weights_read_bytes: u64,
    /// Weights that stay in memory: all tensors but those of blocks that only multi-token prediction uses.
    pub weights_resident_bytes: u64,
    /// Element type assumed for keys and values.
    pub kv_type: TensorType,
    /// Recurrent state in memory, f32.
    pub state_bytes: u64,
    /// Recurrent state read and written per token.
    pub state_moved_bytes: u64,
    /// What depends on the context.
    pub contexts: Vec<AtContext>,
}

/// Bytes of a class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClassBytes {
    /// The class.
    pub class: TensorClass,
    /// Bytes read per token.
    pub bytes: u64,
}

/// Decoding after `context_tokens` tokens.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AtContext {
    /// Tokens before the one that is decoded.
    pub context_tokens: u64,
    /// Keys and values in memory, all of which one token reads. Those written for the new token are left out.
    pub kv_bytes: u64,
    /// Bytes moved per token: weights, keys and values, state.
    pub moved_bytes: u64,
    /// Bytes in memory: weights, keys and values, state; no compute buffers.
    pub resident_bytes: u64,
    /// How fast memory bandwidth lets each machine decode.
    pub limits: Vec<Limit>,
}

/// A bound that no implementation beats which reads everything from memory once per token.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Limit {
    /// The machine.
    pub machine: String,
    /// Its memory bandwidth.
    pub bandwidth_gbps: f64,
    /// Bandwidth over bytes moved per token.
    pub tokens_per_s: f64,
}

/// Lists a file of any architecture, and computes what decoding moves for those that the suite knows: at each of
/// `contexts` (in tokens) and for each of `machines`.
///
/// A file of a known architecture whose hyper-parameters or tensors are incomplete is an error.
pub fn inspect<B: AsRef<[u8]>>(
    file: &Gguf<B>,
    contexts: &[u64],
    machines: &[Machine],
) -> Result<Inspection, ModelError> {
    let (metadata, tensors) = (file.metadata(), file.tensors());
    let architecture = metadata.optional("general.architecture", Metadata::str)?;
    let name = metadata.optional("general.name", Metadata::str)?;
    let (decode, no_decode_because) = match tensors {
        [] => (None, Some("the file has no tensors".to_owned())),
        tensors => match Architecture::read(metadata, tensors) {
            Ok(architecture) => {
                architecture.check_tensors(tensors)?;
                (
                    Some(decode(&architecture, tensors, contexts, machines)),
                    None,
                )
            }
            Err(error @ ModelError::Architecture { .. }) => (None, Some(error.to_string())),
            Err(error) => return Err(error),
        },
    };
    let classes = classify(tensors);
    Ok(Inspection {
        architecture: architecture.map(str::to_owned),
        name: name.map(str::to_owned),
        file_bytes: file.file_bytes(),
        tensors: tensors.len() as u64,
        parameters: tensors.iter().map(TensorInfo::elements).sum(),
        tensor_bytes: tensors.iter().map(|tensor| tensor.bytes).sum(),
        header_bytes: file.data_offset(),
        hyper_parameters: architecture
            .map(|name| hyper_parameters(metadata, name))
            .unwrap_or_default(),
        types: type_totals(tensors.iter()),
        classes: classes
            .into_iter()
            .map(|(class, tensors)| class_total(class, &tensors))
            .collect(),
        decode,
        no_decode_because,
    })
}

/// Tensors by class; those in blocks with `nextn` tensors are for multi-token prediction, whatever their name.
fn classify(tensors: &[TensorInfo]) -> BTreeMap<TensorClass, Vec<&TensorInfo>> {
    let predictors = predictors(tensors);
    let mut classes = BTreeMap::<_, Vec<_>>::new();
    for tensor in tensors {
        let predicts = layer_of(&tensor.name).is_some_and(|layer| predictors.contains(&layer));
        let class = match predicts {
            true => TensorClass::NextTokenPrediction,
            false => TensorClass::of(&tensor.name),
        };
        classes.entry(class).or_default().push(tensor);
    }
    classes
}

fn class_total(class: TensorClass, tensors: &[&TensorInfo]) -> ClassTotal {
    ClassTotal {
        class,
        tensors: tensors.len() as u64,
        parameters: tensors.iter().map(|tensor| tensor.elements()).sum(),
        bytes: tensors.iter().map(|tensor| tensor.bytes).sum(),
        types: type_totals(tensors.iter().copied()),
    }
}

fn type_totals<'a>(tensors: impl Iterator<Item = &'a TensorInfo>) -> Vec<TypeTotal> {
    let mut totals = BTreeMap::<TensorType, (u64, u64)>::new();
    for tensor in tensors {
        let (count, bytes) = totals.entry(tensor.ty).or_default();
        *count += 1;
        *bytes += tensor.bytes;
    }
    let total = |(ty, (tensors, bytes))| TypeTotal {
        r#type: ty,
        tensors,
        bytes,
    };
    totals.into_iter().map(total).collect()
}

/// What decoding moves at each of `contexts` (in tokens), with the bandwidth limits of `machines`; from a tensor table that
/// is complete for the architecture.
pub fn decode(
    architecture: &Architecture,
    tensors: &[TensorInfo],
    contexts: &[u64],
    machines: &[Machine],
) -> Decode {
    let classes = classify(tensors);
    let (experts, used) = architecture.experts();
    let tied = !classes.contains_key(&TensorClass::Output);
    let sum = |tensors: &[&TensorInfo]| tensors.iter().map(|tensor| tensor.bytes).sum::<u64>();
    let read = |class: TensorClass, tensors: &[&TensorInfo]| match class {
        TensorClass::RoutedExperts => sum(tensors) / experts * used,
        TensorClass::TokenEmbd => {
            let row = sum(tensors) / architecture.vocabulary();
            if tied { sum(tensors) + row } else { row }
        }
        _ => sum(tensors),
    };
    let decoding = || {
        classes
            .iter()
            .filter(|(class, _)| **class != TensorClass::NextTokenPrediction)
    };
    let weights_by_class: Vec<_> = decoding()
        .map(|(class, tensors)| ClassBytes {
            class: *class,
            bytes: read(*class, tensors),
        })
        .collect();
    let weights_read_bytes = weights_by_class.iter().map(|class| class.bytes).sum();
    let weights_resident_bytes = decoding().map(|(_, tensors)| sum(tensors)).sum();
    let state_bytes = architecture.state_bytes();
    let state_moved_bytes = 2 * state_bytes;

    let at_context = |&context_tokens: &u64| {
        // An f16 has blocks of one element, so every head fills whole blocks.
        let kv_bytes = architecture
            .kv_bytes(context_tokens, KV_TYPE)
            .unwrap_or(u64::MAX);
        let moved_bytes = kv_bytes
            .saturating_add(weights_read_bytes)
            .saturating_add(state_moved_bytes);
        let limit = |machine: &Machine| Limit {
            machine: machine.name.clone(),
            bandwidth_gbps: machine.bandwidth_gbps,
            tokens_per_s: machine.bandwidth_gbps * 1e9 / moved_bytes as f64,
        };
        AtContext {
            context_tokens,
            kv_bytes,
            moved_bytes,
            resident_bytes: kv_bytes
                .saturating_add(weights_resident_bytes)
                .saturating_add(state_bytes),
            limits: machines.iter().map(limit).collect(),
        }
    };
    Decode {
        weights_by_class,
        weights_read_bytes,
        weights_resident_bytes,
        kv_type: KV_TYPE,
        state_bytes,
        state_moved_bytes,
        contexts: contexts.iter().map(at_context).collect(),
    }
}

/// The keys of the architecture itself.
fn hyper_parameters(metadata: &Metadata, architecture: &str) -> Vec<HyperParameter> {
    let own = |key: &str| {
        key.strip_prefix(architecture)
            .is_some_and(|rest| rest.starts_with('.'))
    };
    let pairs = metadata.iter().filter(|(key, _)| own(key));
    let hyper_parameter = |(key, value): (&str, &Value)| HyperParameter {
        key: key.to_owned(),
        value: as_json(value),
    };
    pairs.map(hyper_parameter).collect()
}

fn as_json(value: &Value) -> serde_json::Value {
    match value {
        Value::F32(number) => float_as_json(*number),
        Value::F64(number) => float_as_json(*number),
        Value::Bool(truth) => json!(truth),
        Value::String(text) => json!(text),
        Value::Array(array) if array.len() > LISTED_ELEMENTS => {
            json!(format!(
                "{} elements of {}",
                array.len(),
                array.element_type()
            ))
        }
        Value::Array(array) => array_as_json(array),
        integer => integer.as_integer().map_or(json!(null), integer_as_json),
    }
}

fn array_as_json(array: &Array) -> serde_json::Value {
    fn integers<T: Copy + Into<i128>>(values: &[T]) -> serde_json::Value {
        values
            .iter()
            .map(|value| integer_as_json((*value).into()))
            .collect()
    }
    match array {
        Array::U8(values) => integers(values),
        Array::I8(values) => integers(values),
        Array::U16(values) => integers(values),
        Array::I16(values) => integers(values),
        Array::U32(values) => integers(values),
        Array::I32(values) => integers(values),
        Array::U64(values) => integers(values),
        Array::I64(values) => integers(values),
        Array::F32(values) => values.iter().map(|value| float_as_json(*value)).collect(),
        Array::F64(values) => values.iter().map(|value| float_as_json(*value)).collect(),
        Array::Bool(values) => json!(values),
        Array::String(values) => values.iter().map(|value| json!(value)).collect(),
        Array::Array(_) => json!(format!("{} arrays", array.len())),
    }
}

/// JSON readers keep whole numbers below 2^53; larger ones become texts.
fn integer_as_json(number: i128) -> serde_json::Value {
    match i64::try_from(number) {
        Ok(number) if number.unsigned_abs() < 1 << 53 => json!(number),
        _ => json!(number.to_string()),
    }
}

/// The shortest decimal that is this number in its own width, so an f32 of 1e-6 reads 1e-6; a text if not finite.
fn float_as_json(number: impl std::fmt::Display) -> serde_json::Value {
    let text = number.to_string();
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => json!(number),
        _ => json!(text),
    }
}
