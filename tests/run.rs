//! `sparkbench run` and `verify` as their user meets them, on the CPU device.

mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use program::{refusal, result_files, sparkbench, stderr, stdout, text};
use serde_json::Value as Json;
use tempfile::TempDir;

/// One run of everything, redacted, whose parts several tests look at.
struct Run {
    home: TempDir,
    output: Output,
    file: PathBuf,
}

fn whole_run() -> &'static Run {
    static RUN: OnceLock<Run> = OnceLock::new();
    RUN.get_or_init(|| {
        let home = tempfile::tempdir().unwrap();
        let out = home.path().join("results");
        let arguments = [
            "run",
            "memory",
            "--device",
            "cpu",
            "--seed",
            "5eed",
            "--redact",
            "--json",
            "--out",
            text(&out),
        ];
        let output = sparkbench(home.path(), &arguments);
        assert!(output.status.success(), "{}", stderr(&output));
        let [file] = &result_files(&out)[..] else {
            panic!("expected one result file");
        };
        let file = file.clone();
        Run { home, output, file }
    })
}

/// The checks that fail, by name.
fn failed_checks(home: &Path, file: &Path) -> Vec<String> {
    let output = sparkbench(home, &["verify", text(file), "--json"]);
    let report: Json = serde_json::from_slice(&output.stdout).unwrap();
    let checks = report["files"][0]["checks"].as_array().unwrap();
    let failed: Vec<String> = checks
        .iter()
        .filter(|check| check["status"] == "fail")
        .map(|check| check["name"].as_str().unwrap().to_owned())
        .collect();
    let exit = if failed.is_empty() { 0 } else { 3 };
    assert_eq!(output.status.code(), Some(exit), "{}", stderr(&output));
    failed
}

#[test]
fn a_result_of_the_cpu_device_verifies() {
    let run = whole_run();
    let failed = failed_checks(run.home.path(), &run.file);
    // A program of no commit, or with changes since, cannot be rebuilt by anybody, which these checks are there to say.
    let provenance = sparkbench::build_info::provenance().unwrap();
    let expected: &[&str] = match (provenance.commit, provenance.dirty) {
        (Some(_), Some(false)) => &[],
        (Some(_), _) => &["provenance.clean"],
        (None, _) => &["provenance.commit", "provenance.clean"],
    };
    assert_eq!(failed, expected);

    let output = sparkbench(
        run.home.path(),
        &["verify", text(&run.file), "--allow-unpinned"],
    );
    assert!(
        output.status.success(),
        "{}\n{}",
        stdout(&output),
        stderr(&output)
    );
    assert!(
        stdout(&output).contains(": verified, level 2"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn the_json_on_stdout_is_the_file() {
    let run = whole_run();
    assert!(run.output.stdout == fs::read(&run.file).unwrap());
}

#[test]
fn a_redacted_result_names_no_machine() {
    let result: Json = serde_json::from_slice(&whole_run().output.stdout).unwrap();
    let payload = &result["payload"];
    assert_eq!(payload["session"]["redacted"], true);
    assert_eq!(payload["session"]["seed"], "0000000000005eed");
    assert!(payload["machine"]["host"]["name"]["value"].is_null());
    assert!(payload["target"]["comparable"]["value"].is_null());
}

#[test]
fn an_edited_result_does_not_verify() {
    let run = whole_run();
    let edited = run.home.path().join("edited.json");
    let result = fs::read_to_string(&run.file).unwrap();
    let changed = result.replacen("\"min_samples\": ", "\"min_samples\": 1", 1);
    assert_ne!(result, changed);
    fs::write(&edited, changed).unwrap();
    let output = sparkbench(
        run.home.path(),
        &["verify", text(&edited), "--allow-unpinned"],
    );
    assert_eq!(output.status.code(), Some(3));
    assert!(
        stdout(&output).contains("not verified"),
        "{}",
        stdout(&output)
    );
    assert!(stderr(&output).starts_with("error: the result does not verify"));
}

#[test]
fn a_directory_is_verified_file_by_file() {
    let run = whole_run();
    let directory = run.home.path().join("mixed");
    fs::create_dir_all(directory.join("older")).unwrap();
    fs::copy(&run.file, directory.join("older/good.json")).unwrap();
    fs::write(directory.join("bad.json"), "{}").unwrap();
    fs::write(directory.join("notes.md"), "no result").unwrap();
    // Nobody ever writes into this pipe.
    let pipe = directory.join("pipe.json");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let output = sparkbench(
        run.home.path(),
        &["verify", text(&directory), "--allow-unpinned"],
    );
    assert_eq!(
        refusal(&output),
        "exit code 3\nerror: 1 of 2 results do not verify\nhint: docs/result-format.md says what each check looks at\n"
    );
    let table = stdout(&output);
    assert!(table.contains("good.json: verified, level 2"), "{table}");
    assert!(table.contains("bad.json: not verified"), "{table}");
    assert!(table.ends_with("1 of 2 files verify\n"), "{table}");
}

#[test]
fn a_path_that_cannot_be_read_is_a_wrong_argument() {
    let home = tempfile::tempdir().unwrap();
    let missing = home.path().join("missing.json");
    for path in [missing.as_path(), home.path()] {
        let output = sparkbench(home.path(), &["verify", text(path)]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(
            stderr(&output).starts_with("error: cannot read "),
            "{}",
            stderr(&output)
        );
    }
}

#[test]
fn a_dry_run_plans_for_a_machine_that_is_not_here_and_writes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("results");
    let arguments = [
        "run",
        "--dry-run",
        "--target",
        "rtx5090",
        "--out",
        text(&out),
    ];
    let output = sparkbench(home.path(), &arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("memory/"), "{}", stdout(&output));
    assert!(!out.exists());

    let output = sparkbench(home.path(), &[&arguments[..], &["--json"]].concat());
    let plan: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(plan["scale"], "full");
    assert!(!plan["cases"].as_array().unwrap().is_empty());

    let only = ["--json", "--only", "edge/graph", "--only", "chase/l1"];
    let output = sparkbench(home.path(), &[&arguments[..], &only].concat());
    let plan: Json = serde_json::from_slice(&output.stdout).unwrap();
    let ids: Vec<&str> = plan["cases"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|case| case["id"].as_str())
        .collect();
    assert_eq!(
        ids,
        [
            "memory/chase/l1",
            "memory/edge/graph",
            "memory/edge/graph_dependent"
        ]
    );
}

#[test]
fn a_dry_run_takes_configurations_as_files() {
    let home = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = root.join("configs/targets/gemma4_26b_a4b_rtx5090.yaml");
    let model = root.join("configs/models/gemma4_26b_a4b.yaml");
    let arguments = [
        "run",
        "memory",
        "--dry-run",
        "--target",
        text(&target),
        "--model",
        text(&model),
    ];
    let output = sparkbench(home.path(), &arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    let plan = stdout(&output);
    assert!(
        plan.contains("gemma4") && !plan.contains("qwen35"),
        "{plan}"
    );
}

#[test]
fn what_cannot_be_run_is_refused_before_anything_runs() {
    let home = tempfile::tempdir().unwrap();
    let wrong = home.path().join("wrong.yaml");
    fs::write(&wrong, "name: wrong\nmachne: rtx5090\n").unwrap();
    for (arguments, exit, expected) in [
        (&["run", "memry"][..], 2, "memry"),
        (
            &["run", "memory", "--only", "no_such"],
            2,
            "no case of memory has an id that contains no_such",
        ),
        (
            &["run", "--target", "rtx5080"],
            2,
            "unknown target `rtx5080`",
        ),
        (&["run", "--target", text(&wrong)], 2, "wrong.yaml:2:1: "),
        (&["run", "--model", "gemma"], 2, "unknown model `gemma`"),
        (
            &[
                "run",
                "--dry-run",
                "--target",
                "qwen35_35b_a3b_h100",
                "--model",
                "gemma4_26b_a4b",
            ],
            2,
            "not for `gemma4_26b_a4b`",
        ),
        (&["run", "--device", "cuda:77"], 4, ""),
    ] {
        let output = sparkbench(home.path(), arguments);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {said}");
        assert!(
            said.starts_with("error: ") && said.contains(expected),
            "{said}"
        );
        assert!(said.lines().count() <= 2, "{said}");
        assert_eq!(stdout(&output), "", "{arguments:?}");
    }
    assert!(!home.path().join("results").exists());
}
