//! `sparkbench` as its user meets it. Needs no GPU.

mod program;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use program::{stderr, stdout, text};
use serde_json::Value as Json;

fn command(arguments: &[&str]) -> Command {
    program::command(Path::new(env!("CARGO_TARGET_TMPDIR")), arguments)
}

fn sparkbench(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

/// What a refused command prints: exit code and stderr. Its stdout must be empty.
fn refusal(arguments: &[&str]) -> String {
    let output = sparkbench(arguments);
    assert_eq!(stdout(&output), "", "{arguments:?}");
    program::refusal(&output)
}

fn json(arguments: &[&str]) -> Json {
    let output = sparkbench(arguments);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        stderr(&output)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A tiny model file.
fn model_file(directory: &Path) -> std::path::PathBuf {
    let path = directory.join("tiny.gguf");
    let output = sparkbench(&[
        "weights",
        "synth",
        "gemma4_26b_a4b",
        text(&path),
        "--scale",
        "tiny",
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    path
}

#[test]
fn the_help_of_every_command_is_the_documented_one() {
    let commands: [&[&str]; 10] = [
        &[],
        &["run"],
        &["verify"],
        &["inspect"],
        &["weights"],
        &["weights", "synth"],
        &["targets"],
        &["doctor"],
        &["schema"],
        &["completions"],
    ];
    for command in commands {
        let arguments = [command, &["--help"]].concat();
        let output = sparkbench(&arguments);
        assert!(output.status.success(), "{arguments:?}");
        assert_eq!(stderr(&output), "", "{arguments:?}");
        let name = ["help", &command.join("_")].join("_");
        insta::assert_snapshot!(name.trim_end_matches('_'), stdout(&output));
    }
}

#[test]
fn the_version_names_the_commit() {
    let version = stdout(&sparkbench(&["--version"]));
    let commit = sparkbench::build_info::version_line();
    assert_eq!(version, format!("sparkbench {commit}\n"));
}

#[test]
fn wrong_arguments_are_one_line_and_a_hint() {
    let refusals = [
        refusal(&["measure"]),
        refusal(&["verfy"]),
        refusal(&["run", "--device", "gpu"]),
        refusal(&["run", "--seed", "xyz"]),
        refusal(&["run", "--jsn"]),
        refusal(&["run", "--quiet", "--json"]),
        refusal(&["verify"]),
        refusal(&["weights", "synth", "qwen35_35b_a3b"]),
        refusal(&["weights", "synth", "qwen", "out.gguf"]),
        refusal(&[
            "weights",
            "synth",
            "gemma4_26b_a4b",
            "out.gguf",
            "--mix",
            "unsloth",
        ]),
        refusal(&["completions", "cmd"]),
    ];
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn without_a_command_the_help_goes_to_stderr() {
    let output = sparkbench(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stdout(&output), "");
    assert!(stderr(&output).contains("Usage: sparkbench"));
}

#[test]
fn inspect_shows_a_model_file_and_refuses_half_of_one() {
    let directory = tempfile::tempdir().unwrap();
    let file = model_file(directory.path());
    let output = sparkbench(&["inspect", text(&file)]);
    assert!(output.status.success(), "{}", stderr(&output));
    insta::assert_snapshot!("inspect", stdout(&output));

    let inspection = json(&["inspect", text(&file), "--json"]);
    assert_eq!(inspection["architecture"], "gemma4");
    assert_eq!(inspection["file_bytes"], fs::metadata(&file).unwrap().len());

    let half = directory.path().join("half.gguf");
    let bytes = fs::read(&file).unwrap();
    fs::write(&half, &bytes[..bytes.len() / 2]).unwrap();
    let text_file = directory.path().join("text.gguf");
    fs::write(&text_file, "no model").unwrap();
    let missing = directory.path().join("missing.gguf");
    for (path, expected) in [
        (&half, "inside the file"),
        (&text_file, "found "),
        (&missing, "cannot open"),
    ] {
        let refusal = refusal(&["inspect", text(path)]);
        assert!(refusal.starts_with("exit code 2\nerror: "), "{refusal}");
        assert!(
            refusal.contains(expected) && refusal.contains(text(path)),
            "{refusal}"
        );
    }
}

#[test]
fn a_model_file_is_never_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let file = model_file(directory.path());
    let before = fs::read(&file).unwrap();
    let refusal = refusal(&[
        "weights",
        "synth",
        "gemma4_26b_a4b",
        text(&file),
        "--scale",
        "tiny",
    ]);
    assert!(refusal.starts_with("exit code 8\n"), "{refusal}");
    assert!(fs::read(&file).unwrap() == before);
}

#[test]
fn what_is_printed_as_json_parses() {
    let targets = json(&["targets", "--json"]);
    assert!(targets["machines"].as_array().unwrap().len() >= 4);
    let schema = json(&["schema"]);
    assert_eq!(schema["type"], "object");
    let doctor = json(&["doctor", "--json"]);
    for finding in doctor
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|section| section["findings"].as_array().unwrap())
    {
        assert_eq!(
            finding["value"].is_null(),
            finding["reason"].is_string(),
            "{finding}"
        );
    }
}

#[test]
fn the_doctor_says_plainly_that_there_is_no_gpu() {
    let output = sparkbench(&["doctor"]);
    assert!(output.status.success());
    let said = stdout(&output);
    match said.contains("cuda:0") {
        true => assert!(said.contains("kernel image "), "{said}"),
        false => assert!(
            said.contains("libcuda") && said.contains("- (no NVIDIA driver"),
            "{said}"
        ),
    }
}

#[test]
fn targets_are_listed_with_their_goals() {
    insta::assert_snapshot!("targets", stdout(&sparkbench(&["targets"])));
}

#[test]
fn colour_is_there_when_asked_for_and_only_then() {
    assert!(!stdout(&sparkbench(&["targets"])).contains('\x1b'));
    assert!(stdout(&sparkbench(&["targets", "--color", "always"])).contains("\x1b["));
    assert!(!stdout(&sparkbench(&["targets", "--color", "never"])).contains('\x1b'));
}

#[test]
fn completions_are_made_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = sparkbench(&["completions", shell]);
        assert!(
            output.status.success() && stdout(&output).contains("sparkbench"),
            "{shell}"
        );
    }
}

#[test]
fn a_reader_who_has_seen_enough_is_no_error() {
    for arguments in [&["schema"][..], &["targets"], &["--help"]] {
        let mut child = command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(stderr(&output), "", "{arguments:?}");
    }
}

#[test]
fn a_full_stdout_is_an_error() {
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = command(&["schema"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(8));
    assert!(stderr(&output).starts_with("error: cannot write to stdout"));
}
