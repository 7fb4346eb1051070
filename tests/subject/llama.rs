//! The driver of `llama-server`, against a stand-in, and against the real one where it is named.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sparkbench::gguf::Gguf;
use sparkbench::model::Architecture;
use sparkbench::subject::{
    Finding, Generation, LlamaOptions, LlamaServer, ModelShape, Subject, SubjectError,
};
use sparkbench::telemetry::SessionClock;

use crate::{GO_ON, liar, options, task};

fn llama_options(program: &Path, arguments: &[&str]) -> LlamaOptions {
    let native = options(program, arguments);
    LlamaOptions {
        program: native.program,
        arguments: native.arguments,
        model: native.model,
        gpu_layers: 0,
        context: native.context,
        shape: native.shape,
        limits: native.limits,
    }
}

/// A server that is a script which starts the stand-in with its lie before the driver's arguments.
fn stand_in(lie: &str) -> (tempfile::TempDir, LlamaOptions) {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("llama-server");
    let text = format!("#!/bin/sh\nexec '{}' {lie} \"$@\"\n", liar().display());
    std::fs::write(&script, text).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, executable).unwrap();
    let options = llama_options(&script, &["--flash-attn", "on"]);
    (directory, options)
}

fn generated(lie: &str) -> Result<Generation, SubjectError> {
    let (_directory, mut options) = stand_in(lie);
    options.limits.next = Duration::from_secs(1);
    options.limits.first_token = Duration::from_secs(10);
    let mut server = LlamaServer::start(&options, SessionClock::start(), &GO_ON)?;
    server.generate(&task(&[10, 20, 30], &[]))
}

#[test]
fn a_server_is_observed_token_by_token() {
    let (_directory, options) = stand_in("honest");
    let mut server = LlamaServer::start(&options, SessionClock::start(), &GO_ON).unwrap();
    let launch = server.launch();
    assert_eq!(launch.name, "llama.cpp b1-fake");
    assert_eq!(
        launch.arguments[..3],
        ["--model", options.model.to_str().unwrap(), "--host"]
    );
    assert!(
        launch
            .arguments
            .ends_with(&["--flash-attn".to_owned(), "on".to_owned()])
    );
    for first in [60, 61] {
        let generation = server.generate(&task(&[first - 50, 20, 30], &[])).unwrap();
        assert_eq!(generation.ids, (first..first + 16).collect::<Vec<u32>>());
        let intervals: Vec<u64> = generation
            .stamps_ns
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .collect();
        assert_eq!(intervals.len(), 15);
        assert!(generation.sent_ns < generation.stamps_ns[0]);
        let total: u64 = intervals.iter().sum();
        assert!(total > 15 * 2_000_000, "{intervals:?}");
        assert_eq!(generation.self_reported["timings.predicted_ms"], "1.5");
        assert_eq!(
            (generation.routing.len(), generation.prefilled_ns),
            (0, None)
        );
    }
}

#[test]
fn a_server_that_fails_is_named_by_its_failure() {
    let failures = [
        ("crash", "crash"),
        ("hang", "hang"),
        ("garbage", "garbage"),
        ("refuses", "garbage"),
        ("wrong_id", "wrong_id"),
        ("too_few_tokens", "too_few_tokens"),
    ];
    for (lie, name) in failures {
        let error = generated(lie).unwrap_err();
        assert_eq!(error.name(), name, "{lie}: {error}");
    }
    let (_directory, mut options) = stand_in("never_loads");
    options.limits.load = Duration::from_millis(400);
    let error = LlamaServer::start(&options, SessionClock::start(), &GO_ON)
        .err()
        .unwrap();
    assert_eq!(error.name(), "hang");
    let (_directory, options) = stand_in("quits");
    let error = LlamaServer::start(&options, SessionClock::start(), &GO_ON)
        .err()
        .unwrap();
    assert_eq!(error.name(), "early_end");
}

#[test]
fn ids_that_the_server_withholds_are_said_to_be_missing() {
    let generation = generated("withholds").unwrap();
    assert_eq!(generation.ids.len(), 15);
    assert_eq!(
        generation.findings,
        [Finding::WithheldIds {
            tokens: 16,
            ids: 15
        }]
    );
}

#[test]
#[ignore = "needs llama-server and a model: SPARKBENCH_LLAMA_SERVER and SPARKBENCH_LLAMA_MODEL"]
fn the_real_server_is_observed() {
    let path = |name: &str| PathBuf::from(std::env::var_os(name).unwrap());
    let model = path("SPARKBENCH_LLAMA_MODEL");
    let file = Gguf::open(&model).unwrap();
    let architecture = Architecture::read(file.metadata(), file.tensors()).unwrap();
    let options = LlamaOptions {
        model,
        shape: ModelShape::from(&architecture),
        ..llama_options(&path("SPARKBENCH_LLAMA_SERVER"), &[])
    };
    let mut server = LlamaServer::start(&options, SessionClock::start(), &GO_ON).unwrap();
    let generation = server.generate(&task(&[3, 14, 15, 92, 65], &[])).unwrap();
    println!("{}: {generation:?}", server.launch().name);
    assert!(!generation.ids.is_empty());
}
