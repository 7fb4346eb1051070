//! Every way in which metadata can be wrong has its own error, and none makes room for more than the file has.

use super::raw::Raw;
use crate::gguf::Gguf;

#[test]
fn what_is_no_gguf_is_refused() {
    assert_eq!(
        Raw(b"PK\x03\x04 and more".to_vec()).refusal(),
        "expected the magic \"GGUF\" at byte 0, found \"PK\\x03\\x04\""
    );
    assert_eq!(
        Raw(Vec::new()).refusal(),
        "expected 4 bytes of magic at byte 0, found 0 before the end of the file"
    );
}

#[test]
fn a_big_endian_file_is_refused() {
    let raw = Raw(b"GGUF".to_vec())
        .bytes(&3u32.to_be_bytes())
        .bytes(&[0; 16]);
    assert_eq!(
        raw.refusal(),
        "expected a little-endian file, found big-endian version 3 at byte 4"
    );
}

#[test]
fn a_version_before_2_or_after_3_is_refused() {
    for version in [0, 1, 4, u32::MAX] {
        let raw = Raw(b"GGUF".to_vec()).u32(version).bytes(&[0; 16]);
        assert_eq!(
            raw.refusal(),
            format!("expected GGUF version 2 or 3 at byte 4, found {version}")
        );
    }
}

#[test]
fn huge_counts_are_refused() {
    assert_eq!(
        Raw::header(u64::MAX, 0).refusal(),
        "expected at most 65536 tensors at byte 8, found 18446744073709551615"
    );
    assert_eq!(
        Raw::header(0, 1 << 40).refusal(),
        "expected at most 65536 key-value pairs at byte 16, found 1099511627776"
    );
}

#[test]
fn counts_beyond_the_file_are_refused() {
    assert_eq!(
        Raw::header(1000, 0).refusal(),
        "expected 8 bytes of tensor name at byte 24, found 0 before the end of the file"
    );
    assert_eq!(
        Raw::header(0, 1000).refusal(),
        "expected 8 bytes of key at byte 24, found 0 before the end of the file"
    );
}

#[test]
fn a_string_longer_than_the_file_is_refused() {
    assert_eq!(
        Raw::header(0, 1).u64(60_000).refusal(),
        "expected 60000 bytes of key at byte 32, found 0 before the end of the file"
    );
    assert_eq!(
        Raw::header(0, 1).u64(u64::MAX).refusal(),
        "expected at most 65535 bytes of key at byte 24, found 18446744073709551615"
    );
    assert_eq!(
        Raw::header(0, 1).str("a").u32(8).u64(1 << 32).refusal(),
        "expected at most 16777216 bytes of string at byte 37, found 4294967296"
    );
}

#[test]
fn a_huge_array_is_refused_before_room_is_made_for_it() {
    let array = |element, count| {
        Raw::header(0, 1)
            .str("a")
            .u32(9)
            .u32(element)
            .u64(count)
            .refusal()
    };
    for (id, size) in [(0, 1), (7, 1), (2, 2), (4, 4), (11, 8), (8, 8), (9, 12)] {
        assert_eq!(
            array(id, u64::MAX),
            "expected at most 16777216 array elements at byte 41, found 18446744073709551615"
        );
        let needed = size << 24;
        assert_eq!(
            array(id, 1 << 24),
            format!(
                "expected {needed} bytes of array elements at byte 49, found 0 before the end of the file"
            )
        );
    }
}

#[test]
fn arrays_nested_too_deep_are_refused() {
    let nested = |depth: u32| {
        let raw = Raw::header(0, 1).str("a").u32(9);
        let raw = (1..depth).fold(raw, |raw, _| raw.u32(9).u64(1));
        raw.u32(4).u64(1).u32(7)
    };
    assert!(Gguf::parse(nested(4).0).is_ok());
    let expected = "expected arrays nested at most 4 deep, found a deeper one in `a` at byte 85";
    assert_eq!(nested(5).refusal(), expected);
    assert_eq!(nested(100_000).refusal(), expected);
}

#[test]
fn text_that_is_not_utf_8_is_refused() {
    let raw = Raw::header(0, 1).u64(2).bytes(&[0xff, 0xfe]);
    assert_eq!(
        raw.refusal(),
        "expected UTF-8 in a key at byte 32, found other bytes"
    );
    let raw = Raw::header(0, 1).str("a").u32(8).u64(1).bytes(&[0x80]);
    assert_eq!(
        raw.refusal(),
        "expected UTF-8 in a string at byte 45, found other bytes"
    );
    let raw = Raw::header(1, 0).u64(1).bytes(&[0xc3]);
    assert_eq!(
        raw.refusal(),
        "expected UTF-8 in a tensor name at byte 32, found other bytes"
    );
    // One character cut in two strings: neither is text, though their bytes together are.
    let raw = Raw::header(0, 1)
        .str("a")
        .u32(9)
        .u32(8)
        .u64(2)
        .u64(1)
        .bytes(&[0xc3])
        .u64(1)
        .bytes(&[0xa9]);
    assert_eq!(
        raw.refusal(),
        "expected UTF-8 in a string at byte 57, found other bytes"
    );
}

#[test]
fn an_unknown_value_type_is_refused() {
    assert_eq!(
        Raw::header(0, 1).str("a").u32(13).refusal(),
        "expected a value type from 0 to 12 for `a` at byte 33, found 13"
    );
    assert_eq!(
        Raw::header(0, 1).str("a").u32(9).u32(99).u64(0).refusal(),
        "expected a value type from 0 to 12 for `a` at byte 37, found 99"
    );
}

#[test]
fn a_bool_of_2_is_refused() {
    assert_eq!(
        Raw::header(0, 1).str("a").u32(7).bytes(&[2]).refusal(),
        "expected 0 or 1 for a bool of `a` at byte 37, found 2"
    );
    let raw = Raw::header(0, 1)
        .str("a")
        .u32(9)
        .u32(7)
        .u64(3)
        .bytes(&[0, 1, 2]);
    assert_eq!(
        raw.refusal(),
        "expected 0 or 1 for a bool of `a` at byte 51, found 2"
    );
}

#[test]
fn a_key_that_occurs_twice_is_refused() {
    let pair = |raw: Raw, key| raw.str(key).u32(0).bytes(&[7]);
    let raw = ["a", "b", "a"].into_iter().fold(Raw::header(0, 3), pair);
    assert_eq!(
        raw.refusal(),
        "expected every key once, found `a` again at byte 52"
    );
    let raw = ["z", "a", "z", "a"]
        .into_iter()
        .fold(Raw::header(0, 4), pair);
    assert_eq!(
        raw.refusal(),
        "expected every key once, found `z` again at byte 52"
    );
}

#[test]
fn an_alignment_that_is_no_power_of_two_is_refused() {
    for alignment in [0, 24, 1 << 21] {
        let raw = Raw::header(0, 1)
            .str("general.alignment")
            .u32(4)
            .u32(alignment);
        assert_eq!(
            raw.refusal(),
            format!(
                "expected a power of two up to 1048576 for `general.alignment`, found {alignment}"
            )
        );
    }
    let raw = Raw::header(0, 1).str("general.alignment").u32(8).str("32");
    assert_eq!(
        raw.refusal(),
        "expected an integer that fits u32 for metadata key `general.alignment`, found string"
    );
}
