//! Logits of the micro models as `tests/oracle/decode_float64.py` computes them: NumPy in float64, written from the
//! equations and without this code, over the same file as PyPI's `gguf` reads it.
//!
//! `SPARKBENCH_MICRO_DIR=DIR cargo test --lib known_answers` writes the files for the script.

use serde::Deserialize;

use crate::build_info::sha256_hex;
use crate::gguf::Gguf;
use crate::model::sample::{Sample, micro_gemma4, micro_qwen35moe};
use crate::model::{Architecture, Gemma4};
use crate::quant::TensorType;
use crate::reference::Decoder;

/// What the script prints for one file.
#[derive(Deserialize)]
struct Recorded {
    /// SHA-256 of the file.
    sha256: String,
    /// Number of tokens; token i is (7 i + 3 + i² mod 5) mod 40.
    tokens: usize,
    /// Positions, and the logits behind each.
    logits: Vec<(usize, Vec<f64>)>,
}

fn ids(count: usize) -> Vec<u32> {
    (0..count as u32)
        .map(|i| (7 * i + 3 + i * i % 5) % 40)
        .collect()
}

/// A window of 1024 and a prompt of 3000 tokens: smaller than [`micro_gemma4`] in all else.
fn long_gemma4() -> Gemma4 {
    Gemma4 {
        embedding: 8,
        query_heads: 1,
        sliding_kv_heads: 1,
        full_kv_heads: 1,
        sliding_head_dim: 4,
        full_head_dim: 8,
        sliding_rotary_dim: 4,
        full_rotary_dim: 8,
        window: 1024,
        layers: micro_gemma4().layers[..2].to_vec(),
        ..micro_gemma4()
    }
}

fn check(name: &str, architecture: Architecture) {
    let recorded = include_str!("../../../tests/fixtures/micro_logits.json");
    let recorded: serde_json::Value = serde_json::from_str(recorded).unwrap();
    let bytes = Sample::new(&architecture, 1, TensorType::F32).bytes();
    if let Some(dir) = std::env::var_os("SPARKBENCH_MICRO_DIR") {
        let path = std::path::Path::new(&dir).join(format!("{name}.gguf"));
        std::fs::write(path, &bytes).unwrap();
    }
    let recorded: Recorded = serde_json::from_value(recorded[name].clone()).unwrap();
    assert_eq!(sha256_hex(&bytes), recorded.sha256, "another file");
    let file = Gguf::parse(bytes).unwrap();
    let mut decoder = Decoder::new(&file).unwrap();
    let mut compared = 0;
    let each = |position: usize, logits: &[f64]| {
        let Some((_, expected)) = recorded.logits.iter().find(|(at, _)| *at == position) else {
            return;
        };
        compared += 1;
        assert_eq!(logits.len(), expected.len());
        for (found, expected) in logits.iter().zip(expected) {
            assert!(
                (found - expected).abs() < 1e-10,
                "{found}, not {expected} at {position}"
            );
        }
    };
    decoder.score(&ids(recorded.tokens), &mut (), each).unwrap();
    assert_eq!(compared, recorded.logits.len());
}

#[test]
fn qwen35moe_of_odd_sizes_has_these_logits() {
    check("qwen35moe", Architecture::Qwen35Moe(micro_qwen35moe()));
}

#[test]
fn gemma4_of_odd_sizes_has_these_logits() {
    check("gemma4", Architecture::Gemma4(micro_gemma4()));
}

#[test]
fn gemma4_has_these_logits_behind_3000_tokens() {
    check("gemma4_long", Architecture::Gemma4(long_gemma4()));
}
