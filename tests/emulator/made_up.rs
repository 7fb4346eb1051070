//! Contexts that the engine makes up, and tokens taken apart, as a harness asks for them.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use serde_json::Value as Json;
use sparkbench::gguf::Gguf;
use sparkbench::model::Architecture;
use sparkbench::protocol::Routing;
use sparkbench::subject::{Limits, ModelShape, Native, NativeOptions, Subject, Task};
use sparkbench::telemetry::SessionClock;

use crate::library::{self, Built};
use crate::program::{self, result_files, stderr, stdout, text};
use crate::{ORDERS, engine_script, models, timed};

/// What an engine on the emulated GPU chose behind a context that it made up, and through which experts.
fn behind_made_up(built: &Built, home: &Path, model: &Path) -> (Vec<u32>, Vec<Routing>) {
    const FILLED: u32 = 300;
    let file = Gguf::open(model).unwrap();
    let architecture = Architecture::read(file.metadata(), file.tensors()).unwrap();
    let of = |order: &[(&str, &str)]| {
        let options = NativeOptions {
            program: engine_script(built, home, order),
            arguments: vec!["serve".to_owned()],
            model: model.to_owned(),
            device: "cuda".to_owned(),
            context: 1,
            context_filled: FILLED + 9,
            shape: ModelShape::from(&architecture),
            limits: Limits::default(),
        };
        let go_on = AtomicBool::new(false);
        let mut engine = Native::start(&options, SessionClock::start(), &go_on).unwrap();
        let mut generate = |filled| {
            let task = Task {
                filled,
                prompt: &[7, 31, 5],
                tokens: 6,
                traced: &[0, 1, 2, 3, 4, 5],
                fastest_token_ns: None,
                interrupt: &go_on,
            };
            let generation = engine.generate(&task).unwrap();
            let (positions, experts): (Vec<u32>, Vec<Routing>) =
                generation.routing.into_iter().unzip();
            assert!(positions.into_iter().eq(filled + 2..filled + 8));
            (generation.ids, experts)
        };
        let (first, without, again) = (generate(FILLED), generate(0), generate(FILLED));
        // Nothing of a text in between is left, and what was made up counts.
        assert_eq!(first, again);
        assert_ne!(first, without);
        first
    };
    let [first, second] = ORDERS.map(of);
    assert_eq!(first, second);
    first
}

/// Ids are chosen only where logits are numbers.
#[test]
fn decoding_goes_on_behind_a_context_that_was_made_up() {
    let Some(built) = library::built() else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let model = home.path().join("model.gguf");
    // The second has layers whose keys and values are a ring.
    for architecture in [models::short_qwen(), models::odd_gemma()] {
        fs::write(&model, models::file(&architecture, 1)).unwrap();
        let (ids, _) = timed("filled", || behind_made_up(&built, home.path(), &model));
        assert_eq!(ids.len(), 6);
    }
}

/// The ruler's kernels are none that the emulation has, so there is no peak.
#[test]
fn a_made_up_context_and_its_stages_are_in_the_result() {
    let Some(built) = library::built() else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let path = |file: &str| home.path().join(file);
    fs::write(path("model.gguf"), models::file(&models::short_qwen(), 1)).unwrap();
    let target = "name: short\ndescription: a test\nmachine: h100\nmodel: qwen35_35b_a3b\n\
                  contexts_tokens: [200]\nprefill_tokens: [512]\ngoals: []\nbaselines: []\n";
    fs::write(path("target.yaml"), target).unwrap();
    let engine = engine_script(&built, home.path(), &[]);
    let mut command = program::command(home.path(), &["run", "e2e", "--device", "cuda"]);
    command
        .args(["--stages", "--fill", "synthetic", "--only", "/200"])
        .args(["--target", text(&path("target.yaml"))])
        .args(["--weights", text(&path("model.gguf"))])
        .args(["--engine", text(&engine), "--out", text(&path("out"))])
        .env("LD_LIBRARY_PATH", &built.directory);
    let output = timed("stages", || command.output().unwrap());
    let said = stdout(&output) + &stderr(&output);
    println!("{said}");
    let file = result_files(&path("out")).remove(0);
    let result: Json = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let cases = result["payload"]["cases"].as_array().unwrap();
    let case = cases.last().unwrap();
    assert_eq!(case["id"], "e2e/qwen35_35b_a3b/200");
    assert_eq!(case["status"], "measured", "{said}");
    assert_eq!(case["labels"]["fill"], "synthetic");
    assert_eq!(case["sizes"]["filled_tokens"], 8);
    let generation = &case["generation"];
    let said_of_itself = &generation["runs"][0]["self_reported"];
    assert!(said_of_itself["device_bytes"].is_string(), "{generation}");
    let stages = &generation["stages"]["value"];
    assert_eq!(stages["depth_tokens"], 136);
    assert!(said.contains("µs in token"), "{said}");
    let made_up = "made up: e2e/qwen35_35b_a3b/200: ";
    assert!(said.contains(made_up), "{said}");

    let output = program::sparkbench(home.path(), &["verify", text(&file), "--json"]);
    let report: Json = serde_json::from_slice(&output.stdout).unwrap();
    let checks = report["files"][0]["checks"].as_array().unwrap().iter();
    let failed = checks.filter(|check| check["status"] == "fail");
    let failed: Vec<String> = failed.map(Json::to_string).collect();
    println!("{failed:#?}");
    assert!(
        failed
            .iter()
            .all(|check| !check.contains("stages.") && !check.contains("generation."))
    );
}
