//! Writes headers of version 3. Knows neither where the tensors' bytes come from nor how they reach the disk.

use crate::quant::TensorType;

use super::error::shown;
use super::parse::{self, ALIGNMENT_KEY, DEFAULT_ALIGNMENT, MAGIC};
use super::tensor::tensor_bytes;
use super::{Array, GgufError, TensorInfo, Value};

/// The start of a file and where everything after it goes.
#[derive(Debug, Clone)]
pub struct Header {
    /// Everything before the data section, padded to its first byte.
    pub bytes: Vec<u8>,
    /// The tensors in the order given, one after another, each padded to the alignment.
    pub tensors: Vec<TensorInfo>,
    /// Length of the whole file, the last tensor's padding included.
    pub file_bytes: u64,
}

/// Lays out a file. `tensors` are names, dimensions (fastest first) and types; padding between tensors is for the
/// caller to write, as zeros. `general.alignment` is added where `alignment` is not the format's default of 32.
///
/// Whatever the reader would refuse is refused here with the same error.
pub fn header(
    metadata: &[(String, Value)],
    tensors: &[(String, Vec<u64>, TensorType)],
    alignment: u32,
) -> Result<Header, GgufError> {
    parse::check_alignment(alignment)?;
    let stated = metadata.iter().any(|(key, _)| key == ALIGNMENT_KEY);
    let added = (alignment != DEFAULT_ALIGNMENT && !stated)
        .then(|| (ALIGNMENT_KEY.to_owned(), Value::U32(alignment)));
    let pairs = || metadata.iter().chain(&added);

    let mut out = Vec::new();
    out.extend(MAGIC);
    put(&mut out, 3u32.to_le_bytes());
    put_len(&mut out, tensors.len());
    put_len(&mut out, pairs().count());
    for (key, value) in pairs() {
        put_str(&mut out, key);
        put(&mut out, value.ty().id().to_le_bytes());
        put_value(&mut out, value);
    }

    let mut relative = 0u64;
    for (name, dims, ty) in tensors {
        put_str(&mut out, name);
        put(&mut out, (dims.len() as u32).to_le_bytes());
        dims.iter().for_each(|dim| put(&mut out, dim.to_le_bytes()));
        put(&mut out, ty.id().to_le_bytes());
        put(&mut out, relative.to_le_bytes());
        relative = relative
            .checked_add(tensor_bytes(name, dims, *ty)?)
            .and_then(|end| end.checked_next_multiple_of(alignment.into()))
            .filter(|end| i64::try_from(*end).is_ok())
            .ok_or_else(|| GgufError::SizeOverflow {
                tensor: shown(name),
                dims: dims.clone(),
            })?;
    }
    out.resize(out.len().next_multiple_of(alignment as usize), 0);

    let file_bytes = out.len() as u64 + relative;
    let read = parse::contents(&out, file_bytes)?;
    if read.alignment != alignment {
        return Err(GgufError::AlignmentDiffers {
            expected: alignment,
            found: read.alignment,
        });
    }
    Ok(Header {
        bytes: out,
        tensors: read.tensors,
        file_bytes,
    })
}

fn put<const N: usize>(out: &mut Vec<u8>, bytes: [u8; N]) {
    out.extend(bytes);
}

fn put_len(out: &mut Vec<u8>, len: usize) {
    put(out, (len as u64).to_le_bytes());
}

fn put_str(out: &mut Vec<u8>, string: &str) {
    put_len(out, string.len());
    out.extend(string.as_bytes());
}

fn put_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::U8(v) => put(out, v.to_le_bytes()),
        Value::I8(v) => put(out, v.to_le_bytes()),
        Value::U16(v) => put(out, v.to_le_bytes()),
        Value::I16(v) => put(out, v.to_le_bytes()),
        Value::U32(v) => put(out, v.to_le_bytes()),
        Value::I32(v) => put(out, v.to_le_bytes()),
        Value::F32(v) => put(out, v.to_le_bytes()),
        Value::Bool(v) => put(out, [u8::from(*v)]),
        Value::String(v) => put_str(out, v),
        Value::Array(v) => put_array(out, v),
        Value::U64(v) => put(out, v.to_le_bytes()),
        Value::I64(v) => put(out, v.to_le_bytes()),
        Value::F64(v) => put(out, v.to_le_bytes()),
    }
}

fn put_array(out: &mut Vec<u8>, array: &Array) {
    put(out, array.element_type().id().to_le_bytes());
    put_len(out, array.len());
    match array {
        Array::U8(v) => out.extend(v),
        Array::I8(v) => v.iter().for_each(|v| put(out, v.to_le_bytes())),
        Array::U16(v) => v.iter().for_each(|v| put(out, v.to_le_bytes())),
        Array::I16(v) => v.iter().for_each(|v| put(out, v.to_le_bytes())),
        Array::U32(v) => v.iter().for_each(|v| put(out, v.to_le_bytes())),
        Array::I32(v) => v.iter().for_each(|v| put(out, v.to_le_bytes())),
        Array::F32(v) => v.iter().for_each(|v| put(out, v.to_le_bytes())),
        Array::Bool(v) => out.extend(v.iter().map(|v| u8::from(*v))),
        Array::String(v) => v.iter().for_each(|v| put_str(out, v)),
        Array::Array(v) => v.iter().for_each(|v| put_array(out, v)),
        Array::U64(v) => v.iter().for_each(|v| put(out, v.to_le_bytes())),
        Array::I64(v) => v.iter().for_each(|v| put(out, v.to_le_bytes())),
        Array::F64(v) => v.iter().for_each(|v| put(out, v.to_le_bytes())),
    }
}
