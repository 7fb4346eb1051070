//! The program as its user starts it, for the tests that look at what it prints, leaves behind and ends with.
#![allow(dead_code, reason = "no test uses all of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_sparkbench");

/// The program, or a shell that starts it, with home and temporary directory in `home`, so that nothing of this machine
/// shows or stays.
pub fn command_of(program: &str, home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_remove("SPARKBENCH_PROVENANCE")
        .env_remove("RUST_BACKTRACE")
        .env("XDG_DATA_HOME", home)
        .env("XDG_CACHE_HOME", home)
        .env("TMPDIR", home)
        .env("COLUMNS", "100")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

pub fn command(home: &Path, arguments: &[&str]) -> Command {
    command_of(PROGRAM, home, arguments)
}

pub fn sparkbench(home: &Path, arguments: &[&str]) -> Output {
    command(home, arguments).output().unwrap()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What a refusal prints: its exit code, then one `error:` line and at most one `hint:` line.
pub fn refusal(output: &Output) -> String {
    let said = stderr(output);
    let words: Vec<&str> = said
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(
        matches!(words[..], ["error:"] | ["error:", "hint:"]),
        "{said}"
    );
    assert!(!said.contains("bug") && !said.contains("panick"), "{said}");
    format!("exit code {}\n{said}", output.status.code().unwrap())
}

/// The files in a directory, hidden ones too; none if it is not there.
pub fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// The results in a directory.
pub fn result_files(directory: &Path) -> Vec<PathBuf> {
    let is_result = |path: &PathBuf| path.extension().is_some_and(|e| e == "json");
    files(directory).into_iter().filter(is_result).collect()
}

/// Starts a run and waits until it heeds SIGINT and SIGTERM.
pub fn started(mut command: Command) -> Child {
    let mut child = command.spawn().unwrap();
    let begin = Instant::now();
    // Bit n - 1 stands for signal n.
    let both = 1 << 1 | 1 << 14;
    loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        if caught.is_some_and(|mask| mask & both == both) || child.try_wait().unwrap().is_some() {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{status}");
        thread::sleep(Duration::from_millis(5));
    }
    // The handler is there; what it does is set a moment later.
    thread::sleep(Duration::from_millis(100));
    child
}

pub fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// A run that is sent `signal` as soon as it heeds signals. It has time for one case or none.
pub fn stopped(command: Command, signal: Signal) -> Output {
    let child = started(command);
    send(&child, signal);
    let begin = Instant::now();
    let output = child.wait_with_output().unwrap();
    assert!(begin.elapsed() < Duration::from_secs(60));
    output
}
