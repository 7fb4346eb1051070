//! What `gpu/exact.rs` asks of a GPU, asked of the emulated one. It is this program itself, started once more where the
//! emulated GPU is, that opens the engines.

use std::env;
use std::path::{Path, PathBuf};

use crate::program::{stderr, stdout};
use crate::{ORDERS, exact, library, timed, with_gpu};

/// Names the model file to the program that is started.
const MODEL: &str = "EMULATOR_TEST_MODEL";

/// Tokens that show their layers.
const SHOWN: u32 = 20;
/// Tokens of a greedy text, which is generated five times over; a GPU's tests have 512.
const GENERATED: usize = 140;

fn file() -> Option<PathBuf> {
    let file = env::var_os(MODEL).map(PathBuf::from);
    if file.is_none() {
        println!("skipped: another test starts this one");
    }
    file
}

/// Runs the ignored test `name` where the emulated GPU is, with a small file of each model.
fn with_each_model(name: &str) {
    let Some(built) = library::built() else {
        return;
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/oracle");
    for model in ["qwen35moe_q4_k_m.gguf", "gemma4_q4_k_m.gguf"] {
        let mut command = with_gpu(&built, &env::current_exe().unwrap());
        command
            .args(["--ignored", "--nocapture", "--exact"])
            .arg(format!("exactness::{name}"))
            .envs(ORDERS[1].iter().copied())
            .env(MODEL, folder.join(model));
        let output = timed(model, || command.output().unwrap());
        let said = stdout(&output);
        println!("{said}");
        assert!(output.status.success(), "{said}{}", stderr(&output));
        assert!(said.contains("1 passed"), "{said}");
        assert!(!said.contains("skipped"), "{said}");
    }
}

#[test]
fn each_layer_begins_with_what_it_begins_with_on_the_processor() {
    with_each_model("layers");
}

#[test]
#[ignore = "another test starts it"]
fn layers() {
    if let Some(file) = file() {
        exact::layers("emulated", &file, SHOWN);
    }
}

#[test]
fn a_greedy_text_is_the_same_however_its_tokens_are_queued() {
    with_each_model("generation");
}

#[test]
#[ignore = "another test starts it"]
fn generation() {
    if let Some(file) = file() {
        exact::generation("emulated", &file, GENERATED);
    }
}
