//! Files that the writer made: cut short, or never made because the reader would refuse them.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::gguf::{Array, Gguf, Value, writer};
use crate::quant::TensorType;

/// A file with two keys and two tensors, no byte after the last tensor.
fn valid() -> Vec<u8> {
    let metadata = [
        (
            "general.architecture".to_owned(),
            Value::String("test".to_owned()),
        ),
        ("test.block_count".to_owned(), Value::U32(2)),
    ];
    let tensors = [
        ("a.weight".to_owned(), vec![32, 3], TensorType::Q8_0),
        ("b.weight".to_owned(), vec![8], TensorType::F32),
    ];
    let header = writer::header(&metadata, &tensors, 32).unwrap();
    let mut bytes = header.bytes;
    bytes.resize(header.file_bytes as usize, 0);
    bytes
}

#[test]
fn a_file_truncated_at_any_byte_is_refused() {
    let whole = valid();
    let gguf = Gguf::parse(whole.as_slice()).unwrap();
    let data_offset = gguf.data_offset() as usize;
    for length in 0..whole.len() {
        let error = Gguf::parse(&whole[..length]).unwrap_err();
        let text = error.to_string();
        // The padding before the data section is no header: without it, the first tensor is what is missing.
        let table_end = data_offset - 31..=data_offset;
        match length {
            _ if length >= data_offset => assert!(text.contains("inside the file of"), "{text}"),
            _ if table_end.contains(&length) => {}
            _ => assert!(
                text.contains("before the end of the file"),
                "{length}: {text}"
            ),
        }
        assert!(
            error.hint().unwrap().contains("incomplete download"),
            "{length}: {text}"
        );
    }
}

#[test]
fn the_writer_refuses_what_the_reader_would() {
    let text = |metadata: &[(String, Value)], tensors: &[_], alignment| {
        writer::header(metadata, tensors, alignment)
            .unwrap_err()
            .to_string()
    };
    let pair = |key: &str, value| (key.to_owned(), Value::U32(value));
    let tensor = |name: &str, dims: &[u64]| (name.to_owned(), dims.to_vec(), TensorType::Q4_K);
    assert_eq!(
        text(&[pair("a", 1), pair("a", 2)], &[], 32),
        "expected every key once, found `a` again at byte 41"
    );
    assert_eq!(
        text(&[pair("general.alignment", 64)], &[], 32),
        "expected alignment 32 in the metadata, found 64"
    );
    assert_eq!(
        text(&[], &[], 48),
        "expected a power of two up to 1048576 for `general.alignment`, found 48"
    );
    assert_eq!(
        text(&[], &[tensor("t", &[8])], 32),
        "expected rows of whole Q4_K blocks of 256 elements for tensor `t`, found rows of 8"
    );
    assert_eq!(
        text(&[], &[tensor("t", &[1 << 63]), tensor("u", &[1 << 63])], 32),
        "expected less than 2^63 bytes up to the end of tensor `u`, found dimensions [9223372036854775808]"
    );
    assert!(
        text(&[], &[tensor("t", &[256]), tensor("t", &[256])], 32)
            .starts_with("expected every tensor once, found `t` again")
    );
    assert_eq!(
        text(&[], &[tensor("t", &[256, 1, 1, 1, 1])], 32),
        "expected at most 4 dimensions at byte 33, found 5"
    );
}

#[test]
fn an_alignment_in_the_metadata_is_not_written_twice() {
    let metadata = [("general.alignment".to_owned(), Value::U32(64))];
    let header = writer::header(&metadata, &[], 64).unwrap();
    let gguf = Gguf::parse(header.bytes).unwrap();
    assert_eq!((gguf.alignment(), gguf.metadata().len()), (64, 1));
}

/// As large as the largest model file of the suite: a vocabulary of 248,320 tokens, 247,587 merges and 21 GB of tensors.
#[test]
fn a_file_of_21_gigabytes_opens_at_once() {
    let strings = |prefix: &str, count: u32| {
        let all = (0..count).map(|i| format!("{prefix}{i}"));
        Value::Array(Array::String(all.collect()))
    };
    let metadata = [
        (
            "tokenizer.ggml.tokens".to_owned(),
            strings("token", 248_320),
        ),
        (
            "tokenizer.ggml.merges".to_owned(),
            strings("to ken", 247_587),
        ),
        (
            "tokenizer.ggml.token_type".to_owned(),
            Value::Array(Array::I32(vec![1; 248_320])),
        ),
    ];
    let tensors: Vec<_> = (0..733)
        .map(|i| {
            (
                format!("blk.{i}.weight"),
                vec![2048, 25_000],
                TensorType::Q4_K,
            )
        })
        .collect();
    let header = writer::header(&metadata, &tensors, 32).unwrap();
    assert!(header.file_bytes > 21_000_000_000);

    // Sparse: the data section is never written, nor read.
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&header.bytes).unwrap();
    file.as_file().set_len(header.file_bytes).unwrap();
    let start = Instant::now();
    let gguf = Gguf::open(file.path()).unwrap();
    let elapsed = start.elapsed();
    assert!(
        elapsed < Duration::from_secs(1),
        "unoptimised, on a busy machine, it took {elapsed:?}"
    );

    assert_eq!(gguf.tensors(), header.tensors);
    let tokens = gguf.metadata().strings("tokenizer.ggml.tokens").unwrap();
    assert_eq!(
        (tokens.len(), tokens.get(248_319)),
        (248_320, Some("token248319"))
    );
    let last = &header.tensors[732];
    assert_eq!(gguf.bytes(last).len() as u64, last.bytes);
}
