//! What is written reads back; what is not a file never panics.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::gguf::{Array, Gguf, Strings, Value, writer};
use crate::quant::{TensorType, dequantize};

const TYPES: [TensorType; 9] = [
    TensorType::F32,
    TensorType::F16,
    TensorType::BF16,
    TensorType::Q8_0,
    TensorType::Q5_0,
    TensorType::Q5_1,
    TensorType::Q4_K,
    TensorType::Q5_K,
    TensorType::Q6_K,
];

fn any_strings() -> impl Strategy<Value = Strings> {
    vec(any::<String>(), 0..5).prop_map(|strings| strings.iter().collect())
}

fn any_array() -> impl Strategy<Value = Array> {
    let flat = prop_oneof![
        vec(any::<u8>(), 0..5).prop_map(Array::U8),
        vec(any::<i8>(), 0..5).prop_map(Array::I8),
        vec(any::<u16>(), 0..5).prop_map(Array::U16),
        vec(any::<i16>(), 0..5).prop_map(Array::I16),
        vec(any::<u32>(), 0..5).prop_map(Array::U32),
        vec(any::<i32>(), 0..5).prop_map(Array::I32),
        vec(any::<f32>(), 0..5).prop_map(Array::F32),
        vec(any::<bool>(), 0..5).prop_map(Array::Bool),
        any_strings().prop_map(Array::String),
        vec(any::<u64>(), 0..5).prop_map(Array::U64),
        vec(any::<i64>(), 0..5).prop_map(Array::I64),
        vec(any::<f64>(), 0..5).prop_map(Array::F64),
    ];
    flat.prop_recursive(3, 20, 3, |inner| vec(inner, 0..3).prop_map(Array::Array))
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<u8>().prop_map(Value::U8),
        any::<i8>().prop_map(Value::I8),
        any::<u16>().prop_map(Value::U16),
        any::<i16>().prop_map(Value::I16),
        any::<u32>().prop_map(Value::U32),
        any::<i32>().prop_map(Value::I32),
        any::<f32>().prop_map(Value::F32),
        any::<bool>().prop_map(Value::Bool),
        any::<String>().prop_map(Value::String),
        any_array().prop_map(Value::Array),
        any::<u64>().prop_map(Value::U64),
        any::<i64>().prop_map(Value::I64),
        any::<f64>().prop_map(Value::F64),
    ]
}

fn any_metadata() -> impl Strategy<Value = Vec<(String, Value)>> {
    proptest::collection::btree_map(any::<String>(), any_value(), 0..6)
        .prop_map(|pairs| pairs.into_iter().collect())
}

fn any_tensors() -> impl Strategy<Value = Vec<(String, Vec<u64>, TensorType)>> {
    let shape = (0..TYPES.len(), 1..4u64, vec(1..4u64, 0..4));
    proptest::collection::btree_map(any::<String>(), shape, 0..6).prop_map(|tensors| {
        let row = |(name, (ty, blocks, rest)): (String, (usize, u64, Vec<u64>))| {
            let dims = std::iter::once(blocks * TYPES[ty].block_elements()).chain(rest);
            (name, dims.collect(), TYPES[ty])
        };
        tensors.into_iter().map(row).collect()
    })
}

fn any_file() -> impl Strategy<Value = Vec<u8>> {
    (any_metadata(), any_tensors(), 0..8u32).prop_map(|(metadata, tensors, shift)| {
        let header = writer::header(&metadata, &tensors, 1 << shift).unwrap();
        let mut bytes = header.bytes;
        bytes.resize(header.file_bytes as usize, 0x5a);
        bytes
    })
}

/// Uses everything that a file offers.
fn read_all(bytes: &[u8]) {
    let Ok(gguf) = Gguf::parse(bytes) else {
        return;
    };
    for (key, value) in gguf.metadata().iter() {
        assert_eq!(
            gguf.metadata().get(key).map(Value::describe),
            Some(value.describe())
        );
    }
    for tensor in gguf.tensors() {
        let raw = gguf.bytes(tensor);
        assert_eq!(raw.len() as u64, tensor.bytes);
        let mut weights = vec![0.0; tensor.elements() as usize];
        let _ = dequantize(tensor.ty, raw, &mut weights); // some types can only be listed
    }
}

proptest! {
    #[test]
    fn a_written_header_reads_back(
        metadata in any_metadata(),
        tensors in any_tensors(),
        shift in 0..8u32,
    ) {
        let alignment = 1 << shift;
        let header = writer::header(&metadata, &tensors, alignment).unwrap();
        let mut bytes = header.bytes.clone();
        bytes.resize(header.file_bytes as usize, 0);
        let gguf = Gguf::parse(bytes).unwrap();

        prop_assert_eq!(gguf.alignment(), alignment);
        prop_assert_eq!(gguf.data_offset(), header.bytes.len() as u64);
        prop_assert_eq!(gguf.file_bytes(), header.file_bytes);
        prop_assert_eq!(gguf.tensors(), &header.tensors[..]);
        for (tensor, (name, dims, ty)) in gguf.tensors().iter().zip(&tensors) {
            prop_assert_eq!((&tensor.name, &tensor.dims, tensor.ty), (name, dims, *ty));
            prop_assert_eq!(tensor.elements(), dims.iter().product::<u64>());
        }
        let mut read: Vec<_> = gguf.metadata().iter().map(|(k, v)| (k.to_owned(), v.clone())).collect();
        if alignment != 32 {
            prop_assert_eq!(read.pop(), Some(("general.alignment".to_owned(), Value::U32(alignment))));
        }
        prop_assert_eq!(read, metadata);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..300)) {
        read_all(&bytes);
        read_all(&[b"GGUF\x03\0\0\0", bytes.as_slice()].concat());
    }

    #[test]
    fn mutated_valid_files_never_panic(
        mut bytes in any_file(),
        edits in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        read_all(&bytes);
    }
}
