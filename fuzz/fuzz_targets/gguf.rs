//! Any bytes as a GGUF file: read or refused, never a panic, never memory beyond a small multiple of the input.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sparkbench::gguf::{Gguf, writer};
use sparkbench::quant::dequantize;

/// Enough blocks of every type to cross a row; more would only slow the search down.
const MAX_BLOCKS: u64 = 4;

fuzz_target!(|data: &[u8]| {
    let gguf = match Gguf::parse(data) {
        Ok(gguf) => gguf,
        Err(error) => {
            assert!(!error.to_string().contains('\n'), "an error is one line");
            return;
        }
    };
    for (key, value) in gguf.metadata().iter() {
        assert_eq!(
            gguf.metadata().get(key).map(|found| found.describe()),
            Some(value.describe())
        );
        let _ = gguf.metadata().u64(key);
        let _ = gguf.metadata().integers(key);
        let _ = gguf
            .metadata()
            .strings(key)
            .map(|strings| strings.iter().count());
    }
    for tensor in gguf.tensors() {
        assert_eq!(gguf.tensor(&tensor.name), Some(tensor));
        let bytes = gguf.bytes(tensor);
        assert_eq!(bytes.len() as u64, tensor.bytes);
        let blocks = (tensor.bytes / tensor.ty.block_bytes()).min(MAX_BLOCKS);
        let mut weights = vec![0.0; (blocks * tensor.ty.block_elements()) as usize];
        let _ = dequantize(
            tensor.ty,
            &bytes[..(blocks * tensor.ty.block_bytes()) as usize],
            &mut weights,
        );
    }

    // What was read can be written, and reads the same.
    let metadata: Vec<_> = gguf
        .metadata()
        .iter()
        .map(|(key, value)| (key.to_owned(), value.clone()))
        .collect();
    let tensors: Vec<_> = gguf
        .tensors()
        .iter()
        .map(|t| (t.name.clone(), t.dims.clone(), t.ty))
        .collect();
    let header =
        writer::header(&metadata, &tensors, gguf.alignment()).expect("a header that was read");
    assert_eq!(header.tensors.len(), tensors.len());
});
