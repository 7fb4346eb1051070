//! Files that the Python package `gguf` wrote (`tests/oracle/seeds.py`) are read as it wrote them.

use std::path::{Path, PathBuf};

use crate::gguf::{Array, Gguf, Value};
use crate::quant::{TensorType, dequantize};

fn seed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(name)
}

#[test]
fn every_scalar_type_is_read() {
    let gguf = Gguf::open(&seed("scalars.gguf")).unwrap();
    let (version, alignment) = (gguf.version(), gguf.alignment());
    assert_eq!((version, alignment, gguf.tensors().len()), (3, 32, 0));
    let pairs: Vec<_> = gguf.metadata().iter().collect();
    let expected = [
        ("general.architecture", Value::String("test".to_owned())),
        ("test.uint8", Value::U8(200)),
        ("test.int8", Value::I8(-100)),
        ("test.uint16", Value::U16(60_000)),
        ("test.int16", Value::I16(-30_000)),
        ("test.uint32", Value::U32(4_000_000_000)),
        ("test.int32", Value::I32(-2_000_000_000)),
        ("test.float32", Value::F32(1.5)),
        ("test.bool", Value::Bool(true)),
        ("test.string", Value::String("▁text\n".to_owned())),
        ("test.uint64", Value::U64(u64::MAX)),
        ("test.int64", Value::I64(i64::MIN)),
        ("test.float64", Value::F64(0.1)),
    ];
    assert_eq!(pairs, expected.each_ref().map(|(key, value)| (*key, value)));
}

#[test]
fn every_array_type_is_read() {
    let gguf = Gguf::open(&seed("arrays.gguf")).unwrap();
    let metadata = gguf.metadata();
    assert_eq!(gguf.alignment(), 64);
    assert_eq!(gguf.data_offset() % 64, 0);
    for (key, expected) in [
        ("test.uint8s", Array::U8(vec![200; 3])),
        ("test.int8s", Array::I8(vec![-100; 3])),
        ("test.uint16s", Array::U16(vec![60_000; 3])),
        ("test.int16s", Array::I16(vec![-30_000; 3])),
        ("test.uint32s", Array::U32(vec![4_000_000_000; 3])),
        ("test.int32s", Array::I32(vec![-2_000_000_000; 3])),
        ("test.float32s", Array::F32(vec![1.5; 3])),
        ("test.bools", Array::Bool(vec![true; 3])),
        (
            "test.strings",
            Array::String(["▁text\n"; 3].iter().collect()),
        ),
        ("test.uint64s", Array::U64(vec![u64::MAX; 3])),
        ("test.int64s", Array::I64(vec![i64::MIN; 3])),
        ("test.float64s", Array::F64(vec![0.1; 3])),
        (
            "test.nested",
            Array::Array(vec![Array::I32(vec![1, 2]), Array::I32(vec![3])]),
        ),
    ] {
        assert_eq!(metadata.get(key), Some(&Value::Array(expected)), "{key}");
    }
}

#[test]
fn values_are_read_by_the_type_that_is_needed() {
    let gguf = Gguf::open(&seed("arrays.gguf")).unwrap();
    let metadata = gguf.metadata();
    assert_eq!(metadata.str("general.architecture").unwrap(), "test");
    assert_eq!(metadata.u32("general.alignment").unwrap(), 64);
    assert_eq!(metadata.integers("test.int16s").unwrap(), [-30_000; 3]);
    assert_eq!(metadata.floats("test.float32s").unwrap(), [1.5; 3]);
    assert_eq!(metadata.bools("test.bools").unwrap(), [true; 3]);
    assert_eq!(
        metadata.strings("test.strings").unwrap().get(2),
        Some("▁text\n")
    );
    assert_eq!(
        metadata.optional("test.absent", |m, k| m.u32(k)).unwrap(),
        None
    );

    let errors = [
        metadata.u32("test.absent").unwrap_err(),
        metadata.u32("general.architecture").unwrap_err(),
        metadata.integers("test.uint64s").unwrap_err(),
        metadata
            .optional("test.bools", |m, k| m.strings(k))
            .unwrap_err(),
    ];
    assert_eq!(
        errors.map(|error| error.to_string()),
        [
            "expected metadata key `test.absent`, found none",
            "expected an integer that fits u32 for metadata key `general.architecture`, found string",
            "expected array of integers that fit i64 for metadata key `test.uint64s`, found array of u64",
            "expected array of string for metadata key `test.bools`, found array of bool",
        ]
    );
}

#[test]
fn a_number_that_does_not_fit_is_named() {
    let gguf = Gguf::open(&seed("scalars.gguf")).unwrap();
    assert_eq!(
        gguf.metadata().u32("test.int8").unwrap_err().to_string(),
        "expected an integer that fits u32 for metadata key `test.int8`, found i8 -100"
    );
}

#[test]
fn versions_2_and_3_are_read_alike() {
    let new = Gguf::open(&seed("tensors.gguf")).unwrap();
    let old = Gguf::open(&seed("version2.gguf")).unwrap();
    assert_eq!((old.version(), new.version()), (2, 3));
    assert_eq!(old.tensors(), new.tensors());
    assert_eq!(old.metadata(), new.metadata());
}

#[test]
fn tensors_lie_where_the_writer_put_them() {
    let gguf = Gguf::open(&seed("tensors.gguf")).unwrap();
    let listed: Vec<_> = gguf.tensors().iter().map(|t| (t.ty, t.bytes)).collect();
    let expected = [
        (TensorType::F32, 1024),
        (TensorType::F16, 512),
        (TensorType::BF16, 512),
        (TensorType::Q8_0, 272),
        (TensorType::Q5_0, 176),
        (TensorType::Q5_1, 192),
        (TensorType::Q4_K, 144),
        (TensorType::Q5_K, 176),
        (TensorType::Q6_K, 210),
    ];
    assert_eq!(listed, expected);
    for tensor in gguf.tensors() {
        assert_eq!(
            (tensor.dims.as_slice(), tensor.elements()),
            ([256, 1].as_slice(), 256)
        );
        let mut weights = vec![0.0; 256];
        dequantize(tensor.ty, gguf.bytes(tensor), &mut weights).unwrap();
        assert_eq!(gguf.tensor(&tensor.name), Some(tensor));
    }
    // Q6_K, from the same generator in Python: np.random.default_rng([1, 14]).integers(0, 256, (1, 210), np.uint8)
    let last = gguf.tensor("blk.0.q6_k.weight").unwrap();
    assert_eq!(gguf.bytes(last)[..4], [99, 182, 53, 224]);
    assert_eq!(gguf.tensor("blk.1.q6_k.weight"), None);
}

#[test]
fn a_tensor_of_another_file_has_no_bytes_here() {
    let gguf = Gguf::open(&seed("tensors.gguf")).unwrap();
    let mut foreign = gguf.tensors()[0].clone();
    foreign.offset = u64::MAX - 8;
    assert!(gguf.bytes(&foreign).is_empty());
}

#[test]
fn what_is_no_file_cannot_be_opened() {
    let missing = Gguf::open(Path::new("no/such.gguf")).unwrap_err();
    assert!(
        missing
            .to_string()
            .starts_with("cannot open no/such.gguf: "),
        "{missing}"
    );
    let folder = Gguf::open(Path::new("src")).unwrap_err();
    assert_eq!(folder.to_string(), "cannot open src: not a regular file");
    let source = Gguf::open(&seed("../Cargo.toml")).unwrap_err();
    assert!(
        source
            .to_string()
            .ends_with("expected the magic \"GGUF\" at byte 0, found \"[pac\""),
        "{source}"
    );
    assert_eq!(
        source.hint().as_deref(),
        Some("give a model file in the GGUF format")
    );
}
