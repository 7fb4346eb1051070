//! Whole models through engines, as the user of the program sees them: an honest engine, engines that fail, one that lies.

mod program;
// The model of the tests of engines: small enough for an unoptimised build.
#[path = "subject/model.rs"]
mod model;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use program::{result_files, sparkbench, stderr, stdout, text};
use serde_json::Value as Json;

/// Runs family `e2e` with the small model: exit code, what was said, and the result.
fn run(home: &Path, more: &[&str]) -> (Option<i32>, String, Json) {
    let arguments = [
        &[
            "run",
            "e2e",
            "--device",
            "cpu",
            "--seed",
            "5eed",
            "--out",
            text(home),
        ][..],
        &["--weights", text(model::model())],
        more,
    ]
    .concat();
    let output = sparkbench(home, &arguments);
    let [file] = &result_files(home)[..] else {
        panic!("expected one result: {}", stderr(&output));
    };
    let result = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    (
        output.status.code(),
        stdout(&output) + &stderr(&output),
        result,
    )
}

/// A program that runs the liar; `liar LIE serve` behind the harness's own argument.
fn liar(home: &Path, lie: &str) -> PathBuf {
    script_of_liar(&home.join("engine"), lie)
}

fn script_of_liar(script: &Path, lie: &str) -> PathBuf {
    let engine = Path::new(env!("CARGO_BIN_EXE_spark-engine"));
    let liar = engine.with_file_name("examples").join("liar");
    assert!(liar.exists(), "build it first: cargo build --example liar");
    fs::write(
        script,
        format!("#!/bin/sh\nexec {} {lie} \"$@\"\n", liar.display()),
    )
    .unwrap();
    fs::set_permissions(script, fs::Permissions::from_mode(0o755)).unwrap();
    script.to_owned()
}

/// Names of the checks that fail.
fn failed_checks(home: &Path) -> Vec<String> {
    let file = result_files(home).remove(0);
    let output = sparkbench(home, &["verify", text(&file), "--json"]);
    let report: Json = serde_json::from_slice(&output.stdout).unwrap();
    let checks = report["files"][0]["checks"].as_array().unwrap().iter();
    let failed = checks.filter(|check| check["status"] == "fail");
    failed
        .map(|check| check["name"].as_str().unwrap().to_owned())
        .filter(|name| !name.starts_with("provenance."))
        .collect()
}

#[test]
fn an_honest_engine_generates_and_its_result_says_all_of_it() {
    let home = tempfile::tempdir().unwrap();
    let (exit, said, result) = run(home.path(), &[]);
    assert_eq!(exit, Some(0), "{said}");
    assert!(said.contains("TTFT") && said.contains("witness"), "{said}");
    let payload = &result["payload"];
    assert_eq!(payload["engines"][0]["driver"], "native");
    let weights = &payload["weights"][0];
    assert_eq!(weights["model"], "qwen35_35b_a3b");
    assert_eq!(
        (&weights["layers"], &weights["experts_used"]),
        (&4.into(), &4.into())
    );
    let generation = &payload["cases"][0]["generation"];
    let length = |list: &Json| list.as_array().map(Vec::len);
    let runs = generation["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 3);
    assert_ne!(runs[0]["prompt_sha256"], runs[1]["prompt_sha256"]);
    for run in runs {
        assert_eq!(length(&run["prompt_ids"]["value"]), Some(64));
        assert_eq!(length(&run["ids"]), Some(64));
        assert_eq!(length(&run["routing"]), Some(9));
        assert_eq!(length(&run["routing"][0]["experts"]), Some(4));
    }
    // Nobody pinned these weights.
    assert_eq!(failed_checks(home.path()), ["weights.pins"]);
    let reason = weights["pin"]["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("no pin of the model's configuration has this digest"),
        "{reason}"
    );
}

#[test]
fn the_processor_has_no_stages_and_one_line_says_so() {
    let home = tempfile::tempdir().unwrap();
    let (exit, said, result) = run(home.path(), &["--stages"]);
    assert_eq!(exit, Some(0), "{said}");
    let why = "stages are kernels on a GPU, and this session runs on the processor";
    let lines = said.lines().filter(|line| line.contains("no stages:"));
    let lines: Vec<&str> = lines.collect();
    assert_eq!(lines, [format!("no stages: {why}")]);
    let payload = &result["payload"];
    assert_eq!(payload["plan"]["families"], serde_json::json!(["e2e"]));
    let stages = &payload["cases"][0]["generation"]["stages"];
    assert_eq!(stages["reason"], why);
    assert_eq!(failed_checks(home.path()), ["weights.pins"]);

    let arguments = ["run", "memory", "--device", "cpu", "--stages"];
    let output = sparkbench(home.path(), &arguments);
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(said.starts_with("error: expected a generation"), "{said}");
}

#[test]
fn stages_bring_the_read_peak_into_their_session() {
    let home = tempfile::tempdir().unwrap();
    let arguments = [
        "run",
        "e2e",
        "--dry-run",
        "--target",
        "qwen35_35b_a3b_rtx5090",
        "--weights",
        "synthetic",
        "--only",
        "/262144",
        "--json",
    ];
    let plan = |more: &[&str]| {
        let output = sparkbench(home.path(), &[&arguments[..], more].concat());
        let plan: Json = serde_json::from_slice(&output.stdout).unwrap();
        let cases = plan["cases"].as_array().unwrap().iter();
        let ids: Vec<String> = cases
            .map(|case| case["id"].as_str().unwrap().to_owned())
            .collect();
        (plan["families"].clone(), ids)
    };
    let deep = "e2e/qwen35_35b_a3b/262144";
    assert_eq!(
        plan(&[]),
        (serde_json::json!(["e2e"]), vec![deep.to_owned()])
    );
    let (families, ids) = plan(&["--stages"]);
    assert_eq!(families, serde_json::json!(["memory", "e2e"]));
    let expected = [
        "memory/read/loads",
        "memory/read/bulk",
        "memory/read/again",
        deep,
    ];
    assert_eq!(ids, expected);
}

#[test]
fn engines_beside_each_other_have_the_same_prompts_in_turn() {
    let home = tempfile::tempdir().unwrap();
    let other = liar(home.path(), "honest");
    let (exit, said, result) = run(home.path(), &["--beside", text(&other)]);
    assert_eq!(exit, Some(0), "{said}");
    let payload = &result["payload"];
    assert_eq!(payload["engines"].as_array().unwrap().len(), 2);
    let cases = payload["cases"].as_array().unwrap();
    let ids = cases.iter().map(|case| case["id"].as_str().unwrap());
    assert_eq!(
        ids.collect::<Vec<_>>(),
        [
            "e2e/qwen35_35b_a3b/witness",
            "e2e/qwen35_35b_a3b/beside/witness"
        ]
    );
    let of = |case: usize, field: &str| {
        let runs = cases[case]["generation"]["runs"].as_array().unwrap().iter();
        runs.map(|run| run[field].clone()).collect::<Vec<_>>()
    };
    for field in ["prompt_sha256", "ids", "routing"] {
        assert_eq!(of(0, field), of(1, field), "{field}");
    }
    let sent = [of(0, "sent_ns"), of(1, "sent_ns")].map(|sent| {
        let sent = sent.iter().map(|ns| ns.as_u64().unwrap());
        sent.collect::<Vec<_>>()
    });
    for run in 0..3 {
        assert!(sent[0][run] < sent[1][run]);
        assert!(run == 2 || sent[1][run] < sent[0][run + 1]);
    }
    assert_eq!(failed_checks(home.path()), ["weights.pins"]);
}

#[test]
fn a_peer_of_another_driver_runs_beside_and_is_named_in_the_table() {
    let home = tempfile::tempdir().unwrap();
    let server = script_of_liar(&home.path().join("llama-server"), "honest");
    let (exit, said, result) = run(home.path(), &["--beside", text(&server), "--stages"]);
    assert_eq!(exit, Some(0), "{said}");
    let payload = &result["payload"];
    let drivers = payload["engines"].as_array().unwrap().iter();
    let drivers: Vec<&Json> = drivers.map(|engine| &engine["driver"]).collect();
    assert_eq!(drivers, ["native", "llama_server"]);
    let cases = &payload["cases"];
    for (case, engine) in [(0, 0), (1, 1)] {
        assert_eq!(
            cases[case]["generation"]["engine_sha256"],
            payload["engines"][engine]["program_sha256"]
        );
    }
    let rows: Vec<&str> = said.lines().map(str::trim_start).collect();
    assert!(rows.iter().any(|row| row.starts_with("witness ")), "{said}");
    assert!(
        rows.iter().any(|row| row.starts_with("llama.cpp ")),
        "{said}"
    );
    assert_eq!(failed_checks(home.path()), ["weights.pins"]);
}

#[test]
fn an_engine_that_fails_leaves_the_one_beside_it_alone() {
    let home = tempfile::tempdir().unwrap();
    let other = liar(home.path(), "quits");
    let (exit, said, result) = run(home.path(), &["--beside", text(&other)]);
    assert_eq!(exit, Some(6), "{said}");
    let cases = &result["payload"]["cases"];
    assert_eq!(cases[0]["status"], "measured");
    assert_eq!(cases[1]["status"], "invalid");
    assert_eq!(failed_checks(home.path()), ["weights.pins"]);
}

#[test]
fn an_engine_that_fails_is_a_result_without_figures() {
    for (lie, status, name) in [
        ("quits", "invalid", "early_end"),
        ("expert_out_of_range", "invalid", "wrong_routing"),
    ] {
        let home = tempfile::tempdir().unwrap();
        let engine = liar(home.path(), lie);
        let (exit, said, result) = run(home.path(), &["--engine", text(&engine)]);
        assert_eq!(exit, Some(6), "{said}");
        let case = &result["payload"]["cases"][0];
        assert_eq!(case["status"], status, "{lie}");
        assert!(case["reason"].as_str().unwrap().starts_with(name), "{case}");
        assert_eq!(
            (&case["measurement"], &case["generation"]),
            (&Json::Null, &Json::Null)
        );
    }
    let home = tempfile::tempdir().unwrap();
    let (exit, said, result) = run(home.path(), &["--engine", "/nonexistent/engine"]);
    assert_eq!(exit, Some(6), "{said}");
    assert_eq!(result["payload"]["cases"][0]["status"], "infra_error");
}

#[test]
fn an_engine_that_holds_tokens_back_is_odd_and_does_not_verify() {
    let home = tempfile::tempdir().unwrap();
    let engine = liar(home.path(), "burst");
    let (exit, said, result) = run(home.path(), &["--engine", text(&engine)]);
    assert_eq!(exit, Some(0), "{said}");
    let run = &result["payload"]["cases"][0]["generation"]["runs"][0];
    assert_eq!(run["findings"][0]["name"], "burst");
    // No time at all between tokens is beyond physics, too.
    let failed = failed_checks(home.path());
    assert!(
        failed.contains(&"generation.oddities".to_owned()),
        "{failed:?}"
    );
}

#[test]
fn an_engine_that_answers_every_prompt_alike_is_named() {
    let home = tempfile::tempdir().unwrap();
    let engine = liar(home.path(), "canned");
    let (_, said, result) = run(home.path(), &["--engine", text(&engine)]);
    let run = &result["payload"]["cases"][0]["generation"]["runs"][0];
    assert_eq!(run["findings"][0]["name"], "repeated_ids", "{said}");
}

#[test]
fn weights_that_are_no_model_of_the_suite_are_a_wrong_argument() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("model.gguf");
    fs::write(&file, b"GGUF").unwrap();
    let output = sparkbench(
        home.path(),
        &["run", "e2e", "--weights", text(&file), "--device", "cpu"],
    );
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).starts_with("error: "));
    assert!(!home.path().join("results").exists());
}

#[test]
fn a_dry_run_plans_generations_without_weights() {
    let home = tempfile::tempdir().unwrap();
    let arguments = [
        "run",
        "e2e",
        "--dry-run",
        "--target",
        "qwen35_35b_a3b_rtx5090",
        "--json",
    ];
    let without = sparkbench(home.path(), &arguments);
    assert_eq!(without.status.code(), Some(2), "{}", stderr(&without));
    let with = sparkbench(
        home.path(),
        &[&arguments[..], &["--weights", "synthetic"]].concat(),
    );
    let plan: Json = serde_json::from_slice(&with.stdout).unwrap();
    let ids: Vec<&str> = plan["cases"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|case| case["id"].as_str())
        .collect();
    assert_eq!(
        ids,
        [
            "e2e/qwen35_35b_a3b/witness",
            "e2e/qwen35_35b_a3b/2048",
            "e2e/qwen35_35b_a3b/32768",
            "e2e/qwen35_35b_a3b/131072",
            "e2e/qwen35_35b_a3b/262144"
        ]
    );
}

#[test]
fn a_memory_limit_is_for_gpus() {
    let home = tempfile::tempdir().unwrap();
    let arguments = ["run", "e2e", "--device", "cpu", "--memory-limit"];
    for (limit, expected) in [
        (
            "rtx5090",
            "error: expected a GPU to hold to a memory limit, found the processor\nhint: leave out --memory-limit\n",
        ),
        ("32 GB", "error: "),
    ] {
        let output = sparkbench(home.path(), &[&arguments[..], &[limit]].concat());
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        let said = stderr(&output);
        assert!(said.starts_with(expected), "{said}");
    }
}

#[test]
fn a_corpus_other_than_the_target_s_is_a_wrong_argument() {
    let home = tempfile::tempdir().unwrap();
    let corpus = home.path().join("corpus.txt");
    fs::write(&corpus, "some text\n").unwrap();
    let arguments = [
        "run",
        "e2e",
        "--device",
        "cpu",
        "--target",
        "qwen35_35b_a3b_rtx5090",
        "--corpus",
        text(&corpus),
    ];
    let output = sparkbench(home.path(), &arguments);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(
        said.starts_with("error: expected the corpus Tiny Shakespeare of target"),
        "{said}"
    );
}
