//! Every way in which a tensor table can be wrong has its own error.

use super::raw::Raw;
use crate::gguf::Gguf;
use crate::quant::TensorType;

#[test]
fn a_tensor_that_occurs_twice_is_refused() {
    let raw = Raw::header(2, 0)
        .tensor("t", &[8], TensorType::F32, 0)
        .tensor("t", &[8], TensorType::F32, 32)
        .data(64);
    assert_eq!(
        raw.refusal(),
        "expected every tensor once, found `t` again at byte 57"
    );
}

#[test]
fn an_unknown_tensor_type_names_the_tensor() {
    for id in [4, 36, 40, u32::MAX] {
        let raw = Raw::header(1, 0)
            .str("t")
            .u32(1)
            .u64(8)
            .u32(id)
            .u64(0)
            .data(32);
        assert_eq!(
            raw.refusal(),
            format!("expected a known tensor type for `t` at byte 45, found id {id}")
        );
    }
}

#[test]
fn five_dimensions_are_refused() {
    let raw = Raw::header(1, 0)
        .tensor("t", &[1, 1, 1, 1, 1], TensorType::F32, 0)
        .data(32);
    assert_eq!(
        raw.refusal(),
        "expected at most 4 dimensions at byte 33, found 5"
    );
}

#[test]
fn a_tensor_without_dimensions_is_one_element() {
    let raw = Raw::header(1, 0)
        .tensor("t", &[], TensorType::F32, 0)
        .data(4);
    let gguf = Gguf::parse(raw.0).unwrap();
    let scalar = gguf.tensor("t").unwrap();
    assert_eq!((scalar.dims.as_slice(), scalar.bytes), ([1].as_slice(), 4));
}

#[test]
fn an_empty_dimension_is_refused() {
    let raw = Raw::header(1, 0)
        .tensor("t", &[8, 0], TensorType::F32, 0)
        .data(32);
    assert_eq!(
        raw.refusal(),
        "expected dimensions of at least 1 for tensor `t`, found [8, 0]"
    );
}

#[test]
fn a_row_of_partial_blocks_is_refused() {
    // 128 × 2 elements would fill one block, but no row does.
    let raw = Raw::header(1, 0)
        .tensor("t", &[128, 2], TensorType::Q4_K, 0)
        .data(144);
    assert_eq!(
        raw.refusal(),
        "expected rows of whole Q4_K blocks of 256 elements for tensor `t`, found rows of 128"
    );
}

#[test]
fn dimensions_whose_product_overflows_are_refused() {
    // 2^32 × 2^32 elements wrap to none at all.
    for dims in [
        vec![1 << 32, 1 << 32],
        vec![1 << 62],
        vec![1 << 61, 1],
        vec![u64::MAX; 4],
    ] {
        let expected = format!(
            "expected less than 2^63 bytes up to the end of tensor `t`, found dimensions {dims:?}"
        );
        let raw = Raw::header(1, 0)
            .tensor("t", &dims, TensorType::F32, 0)
            .data(32);
        assert_eq!(raw.refusal(), expected);
    }
}

#[test]
fn a_misaligned_tensor_is_refused() {
    let raw = Raw::header(1, 0)
        .tensor("t", &[8], TensorType::F32, 8)
        .data(64);
    assert_eq!(
        raw.refusal(),
        "expected tensor `t` at a multiple of 32 in the data section, found it at 8"
    );
}

#[test]
fn a_tensor_beyond_the_file_is_refused() {
    let raw = Raw::header(1, 0)
        .tensor("t", &[9], TensorType::F32, 0)
        .data(32);
    assert_eq!(
        raw.refusal(),
        "expected tensor `t` inside the file of 96 bytes, found 36 bytes at 0 of the data section at byte 64"
    );
}

#[test]
fn an_offset_that_wraps_around_into_the_header_is_refused() {
    let raw = Raw::header(1, 0)
        .tensor("t", &[8], TensorType::F32, 64u64.wrapping_neg())
        .data(32);
    assert_eq!(
        raw.refusal(),
        "expected tensor `t` inside the file of 96 bytes, found 32 bytes at 18446744073709551552 of the data section at byte 64"
    );
}

#[test]
fn tensors_that_share_bytes_are_refused() {
    let raw = Raw::header(2, 0)
        .tensor("second", &[8], TensorType::F32, 32)
        .tensor("first", &[9], TensorType::F32, 0)
        .data(64);
    assert_eq!(
        raw.refusal(),
        "expected tensors apart from each other, found `second` at byte 160 before the end of `first` at byte 164"
    );
    let raw = Raw::header(2, 0)
        .tensor("a", &[8], TensorType::F32, 0)
        .tensor("b", &[8], TensorType::F32, 0)
        .data(64);
    assert_eq!(
        raw.refusal(),
        "expected tensors apart from each other, found `b` at byte 96 before the end of `a` at byte 128"
    );
}

#[test]
fn a_name_in_an_error_is_one_short_line() {
    let name = format!("evil\n\u{1b}[2J{}", "x".repeat(500));
    let raw = Raw::header(1, 0)
        .tensor(&name, &[0], TensorType::F32, 0)
        .data(32);
    let text = raw.refusal();
    assert!(
        text.contains("`evil\\n\\u{1b}[2Jxxx") && text.len() < 200,
        "{text}"
    );
}
