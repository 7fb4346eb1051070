//! What `gpu/exact.rs` asks of a GPU, asked of the emulated one. It is this program itself, started once more where the
//! emulated GPU is, that opens the engines.

use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::program::{stderr, stdout, text};
use crate::{ORDERS, exact, library, models, timed, with_gpu};

/// Names the model file to the program that is started.
const MODEL: &str = "EMULATOR_TEST_MODEL";

/// Tokens that show their layers.
const SHOWN: u32 = 20;
/// Tokens of a greedy text, which is generated five times over; a GPU's tests have 512.
const GENERATED: usize = 140;
/// Tokens of one whose context grows into another graph half-way.
const CROSSING: usize = 6;

fn file() -> Option<PathBuf> {
    let file = env::var_os(MODEL).map(PathBuf::from);
    if file.is_none() {
        println!("skipped: another test starts this one");
    }
    file
}

/// A small file of each model, made by another program.
fn fixtures() -> [PathBuf; 2] {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/oracle");
    ["qwen35moe_q4_k_m.gguf", "gemma4_q4_k_m.gguf"].map(|name| folder.join(name))
}

/// Runs the ignored test `name` where the emulated GPU is, with each of the `models`.
fn with_each(models: &[PathBuf], name: &str) {
    let Some(built) = library::built() else {
        return;
    };
    for model in models {
        let mut command = with_gpu(&built, &env::current_exe().unwrap());
        command
            .args(["--ignored", "--nocapture", "--exact"])
            .arg(format!("exactness::{name}"))
            .envs(ORDERS[1].iter().copied())
            .env(MODEL, model);
        let output = timed(text(model), || command.output().unwrap());
        let said = stdout(&output);
        println!("{said}");
        assert!(output.status.success(), "{said}{}", stderr(&output));
        assert!(said.contains("1 passed"), "{said}");
        assert!(!said.contains("skipped"), "{said}");
    }
}

#[test]
fn each_layer_begins_with_what_it_begins_with_on_the_processor() {
    with_each(&fixtures(), "layers");
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
    with_each(&fixtures(), "generation");
}

#[test]
#[ignore = "another test starts it"]
fn generation() {
    if let Some(file) = file() {
        exact::generation("emulated", &file, 0, GENERATED);
    }
}

#[test]
fn a_greedy_text_is_the_same_where_its_context_grows_into_another_graph() {
    let home = tempfile::tempdir().unwrap();
    let made = [
        ("qwen.gguf", models::in_long_contexts(models::even_qwen())),
        ("gemma.gguf", models::in_long_contexts(models::even_gemma())),
    ];
    let files = made.map(|(name, architecture)| {
        let file = home.path().join(name);
        fs::write(&file, models::file(&architecture, 1)).unwrap();
        file
    });
    with_each(&files, "crossings");
}

#[test]
#[ignore = "another test starts it"]
fn crossings() {
    if let Some(file) = file() {
        exact::crossings("emulated", &file, CROSSING);
    }
}
