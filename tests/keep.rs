//! What was measured outlives signals, closed and full streams, and directories that take no file.

mod program;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use program::{
    PROGRAM, command, command_of, files, refusal, result_files, send, sparkbench, started, stderr,
    stdout, stopped, text,
};
use rustix::process::Signal;
use serde_json::Value as Json;
use tempfile::TempDir;

fn run_into(home: &TempDir, out: &Path, more: &[&str]) -> Command {
    let arguments = ["run", "memory", "--device", "cpu", "--out", text(out)];
    command(home.path(), &[&arguments, more].concat())
}

/// The program started by a shell that first does `preparation`, with mounts of its own: `$0` is the program, `$1` the
/// directory for results, and both the mounts and the right to make them end with the process.
fn run_after(preparation: &str, home: &TempDir, out: &Path) -> Command {
    let script = format!("{preparation} && exec \"$0\" run --device cpu --out \"$1\"");
    let shell = ["--user", "--map-root-user", "--mount", "sh", "-c", &script];
    let arguments = [&shell[..], &[PROGRAM, text(out)]].concat();
    command_of("unshare", home.path(), &arguments)
}

/// Whether this machine lets a test mount something that only the test sees.
fn can_mount() -> bool {
    let preparation = "mount -t tmpfs -o size=4k tmpfs /mnt";
    let shell = ["--user", "--map-root-user", "--mount", "sh", "-c"];
    let probe = Command::new("unshare")
        .args(shell)
        .arg(preparation)
        .output();
    let can = probe.is_ok_and(|output| output.status.success());
    if !can {
        println!("skipped: no file system can be mounted here");
    }
    can
}

/// Exit code 8, one line that names the reason and the place where the result is kept, and it verifies there.
fn kept_elsewhere(home: &TempDir, output: &Output, reason: &str) {
    let said = refusal(output);
    let [kept] = &result_files(home.path())[..] else {
        panic!("expected one result in the temporary directory: {said}");
    };
    let expected = format!("; the result is kept as {}\nhint: ", kept.display());
    assert!(
        said.starts_with("exit code 8\nerror: cannot write a result into "),
        "{said}"
    );
    assert!(said.contains(reason) && said.contains(&expected), "{said}");
    intact(home, kept);
}

/// The result holds whatever was measured, is marked as interrupted, and nothing else is wrong with it.
fn intact(home: &TempDir, file: &Path) {
    let result: Json = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    assert_eq!(result["payload"]["session"]["status"], "interrupted");
    let arguments = ["verify", text(file), "--allow-unpinned", "--json"];
    let output = sparkbench(home.path(), &arguments);
    let report: Json = serde_json::from_slice(&output.stdout).unwrap();
    let checks = report["files"][0]["checks"].as_array().unwrap();
    let failed = checks.iter().filter(|check| check["status"] == "fail");
    let failed: Vec<&Json> = failed.map(|check| &check["name"]).collect();
    assert_eq!(failed, ["session.complete"], "{report}");
}

#[test]
fn an_interrupted_run_leaves_a_result_that_says_so() {
    for (signal, exit) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let home = tempfile::tempdir().unwrap();
        let out = home.path().join("results");
        let output = stopped(run_into(&home, &out, &["--quiet"]), signal);
        assert_eq!(output.status.code(), Some(exit), "{}", stderr(&output));
        assert_eq!(stderr(&output), "");
        intact(&home, Path::new(stdout(&output).trim_end()));
    }
}

/// `timeout` sends its signal to the program and then to the program's group.
#[test]
fn a_signal_that_comes_twice_at_once_is_one() {
    for _ in 0..4 {
        let home = tempfile::tempdir().unwrap();
        let out = home.path().join("results");
        let child = started(run_into(&home, &out, &["--quiet"]));
        for _ in 0..3 {
            send(&child, Signal::TERM);
            thread::sleep(Duration::from_millis(1));
        }
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(143), "{}", stderr(&output));
        intact(&home, Path::new(stdout(&output).trim_end()));
    }
}

#[test]
fn a_second_signal_ends_the_run_at_once() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("results");
    let child = started(run_into(&home, &out, &[]));
    send(&child, Signal::INT);
    thread::sleep(Duration::from_millis(500));
    send(&child, Signal::INT);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert_eq!(
        (stdout(&output), stderr(&output)),
        (String::new(), String::new())
    );
    assert_eq!(files(&out), [] as [PathBuf; 0]);
}

#[test]
fn a_directory_that_cannot_be_made_costs_no_result() {
    // Nobody, root included, makes a directory below a file or in /proc.
    for (place, reason) in [("file", "Not a directory"), ("/proc", "No such file")] {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("file"), "").unwrap();
        let out = home.path().join(place).join("results");
        let output = stopped(run_into(&home, &out, &["--quiet"]), Signal::INT);
        kept_elsewhere(&home, &output, reason);
    }
}

#[test]
fn a_read_only_or_full_file_system_costs_no_result() {
    if !can_mount() {
        return;
    }
    for (options, reason) in [
        ("ro", "Read-only file system"),
        ("size=4k", "No space left"),
    ] {
        let home = tempfile::tempdir().unwrap();
        let out = home.path().join("results");
        fs::create_dir(&out).unwrap();
        let mount = format!("mount -t tmpfs -o {options} tmpfs \"$1\"");
        let output = stopped(run_after(&mount, &home, &out), Signal::INT);
        assert!(
            stdout(&output).contains("interrupted"),
            "the table is shown"
        );
        kept_elsewhere(&home, &output, reason);
    }
}

#[test]
fn a_limit_on_file_sizes_is_an_error_and_not_the_end_of_the_process() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("results");
    let script = "ulimit -f 1 && exec \"$0\" run --device cpu --out \"$1\"";
    let arguments = ["-c", script, PROGRAM, text(&out)];
    let output = stopped(command_of("sh", home.path(), &arguments), Signal::INT);
    let said = refusal(&output);
    assert!(
        said.starts_with("exit code 8\nerror: cannot write a result into "),
        "{said}"
    );
    assert!(said.contains("File too large"), "{said}");
    // The limit holds for every directory.
    assert!(
        said.contains("; the result is printed to stdout instead"),
        "{said}"
    );
    assert!(stdout(&output).contains("{\n\"format\": \"sparkbench.result/"));
    let left = [files(&out), result_files(home.path())].concat();
    assert_eq!(left, [] as [PathBuf; 0], "half a result was left");
}

#[test]
fn a_result_that_no_directory_takes_is_printed_once() {
    let home = tempfile::tempdir().unwrap();
    let mut run = run_into(&home, Path::new("/proc/results"), &["--json"]);
    run.env("TMPDIR", "/proc");
    let output = stopped(run, Signal::INT);
    let said = refusal(&output);
    assert!(
        said.contains("; the result is printed to stdout instead"),
        "{said}"
    );
    let printed = home.path().join("printed.json");
    fs::write(&printed, &output.stdout).unwrap();
    intact(&home, &printed);
}

#[test]
fn a_full_stdout_costs_no_result() {
    for more in [&[][..], &["--quiet"], &["--json"]] {
        let home = tempfile::tempdir().unwrap();
        let out = home.path().join("results");
        let mut run = run_into(&home, &out, more);
        run.stdout(File::options().write(true).open("/dev/full").unwrap());
        let output = stopped(run, Signal::INT);
        let said = refusal(&output);
        let [kept] = &result_files(&out)[..] else {
            panic!("expected one result: {said}");
        };
        let expected = format!("\nhint: the result is kept as {}\n", kept.display());
        assert!(
            said.starts_with("exit code 8\nerror: cannot write to stdout: "),
            "{said}"
        );
        assert!(said.ends_with(&expected), "{said}");
        intact(&home, kept);
    }
}

#[test]
fn a_reader_who_has_seen_enough_ends_no_run() {
    for more in [&[][..], &["--quiet"], &["--json"]] {
        let home = tempfile::tempdir().unwrap();
        let out = home.path().join("results");
        let mut child = started(run_into(&home, &out, more));
        drop(child.stdout.take());
        send(&child, Signal::INT);
        let output = child.wait_with_output().unwrap();
        // That nobody reads changes nothing: the code is the signal's.
        assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
        assert!(!stderr(&output).contains("error:"), "{}", stderr(&output));
        let [kept] = &result_files(&out)[..] else {
            panic!("expected one result: {}", stderr(&output));
        };
        intact(&home, kept);
    }
}

#[test]
fn a_model_file_that_finds_no_room_leaves_nothing_behind() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("model.gguf");
    let script = "ulimit -f 100 && exec \"$0\" weights synth gemma4_26b_a4b \"$1\" --scale tiny";
    let arguments = ["-c", script, PROGRAM, text(&file)];
    let output = command_of("sh", home.path(), &arguments).output().unwrap();
    let said = refusal(&output);
    assert!(
        said.starts_with("exit code 8\nerror: no room for "),
        "{said}"
    );
    assert_eq!(files(home.path()), [] as [PathBuf; 0]);
}
