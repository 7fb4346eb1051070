//! Results of small models, and what `verify --replay` says of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use serde_json::Value as Json;
use sparkbench::result::{Payload, parse, seal};
use tempfile::TempDir;

use crate::model::model;
use crate::program::{result_files, sparkbench, stderr, text};

/// The checks of level 4.
const CHECKS: [&str; 4] = [
    "replay.weights",
    "replay.prompt",
    "replay.tokens",
    "replay.experts",
];

/// The result of an honest session.
pub static HONEST: LazyLock<Session> = LazyLock::new(|| Session::of(model(), &[]));

/// A session that is over.
pub struct Session {
    pub home: TempDir,
    pub file: PathBuf,
}

impl Session {
    /// Measures with `weights` and further arguments; this suite's own engine unless they name one.
    pub fn of(weights: &Path, more: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let out = home.path().join("results");
        let fixed = ["run", "e2e", "--device", "cpu", "--seed", "5eed", "--quiet"];
        let mut arguments = fixed.to_vec();
        arguments.extend(["--weights", text(weights), "--out", text(&out)]);
        arguments.extend(more);
        let output = sparkbench(home.path(), &arguments);
        let files = result_files(&out);
        let [file] = &files[..] else {
            panic!("expected one result: {}", stderr(&output));
        };
        Session {
            file: file.clone(),
            home,
        }
    }

    pub fn payload(&self) -> Payload {
        parse(&fs::read(&self.file).unwrap()).unwrap().payload
    }

    /// Puts an edited result beside the honest one, sealed again.
    pub fn forged(&self, name: &str, edit: impl FnOnce(&mut Payload)) -> PathBuf {
        let mut payload = self.payload();
        edit(&mut payload);
        let path = self.home.path().join(name);
        fs::write(&path, seal(&payload).unwrap().text).unwrap();
        path
    }
}

/// `verify` of a result that need not be pinned, with further arguments.
pub fn verify(file: &Path, arguments: &[&str]) -> Output {
    let fixed = ["verify", text(file), "--allow-unpinned"];
    let home = file.parent().unwrap();
    sparkbench(home, &[&fixed, arguments].concat())
}

/// The report of a replay with the weights at `weights`.
pub fn replayed(file: &Path, weights: &Path) -> Json {
    let output = verify(file, &["--replay", text(weights), "--json"]);
    let report: Json = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("no report: {}", stderr(&output)));
    let verified = report["verified"] == true;
    assert_eq!(output.status.code(), Some(if verified { 0 } else { 3 }));
    report["files"][0].clone()
}

/// Names and findings of the failed checks of a report.
pub fn failed(report: &Json) -> Vec<(String, String)> {
    let checks = report["checks"].as_array().unwrap().iter();
    checks
        .filter(|check| check["status"] == "fail")
        .map(|check| {
            let name = check["name"].as_str().unwrap().to_owned();
            (name, check["details"].to_string())
        })
        .collect()
}

/// Which checks of level 4 failed.
pub fn failed_replays(report: &Json) -> Vec<&'static str> {
    let failed = failed(report);
    let has = |name: &&str| failed.iter().any(|(found, _)| found == name);
    CHECKS.into_iter().filter(has).collect()
}

/// An engine that lies, as a program of its own.
pub fn liar(directory: &Path, lie: &str) -> PathBuf {
    let engine = Path::new(env!("CARGO_BIN_EXE_spark-engine"));
    let liar = engine.with_file_name("examples").join("liar");
    assert!(liar.exists(), "build it first: cargo build --example liar");
    let path = directory.join("engine");
    // Written by another process: this one may be starting a child for another test, which would hold the file open,
    // and a file that somebody may write cannot be run.
    let script = format!("#!/bin/sh\nexec '{}' '{lie}' \"$@\"\n", text(&liar));
    let write = "printf '%s' \"$1\" > \"$0\" && chmod +x \"$0\"";
    let written = Command::new("/bin/sh")
        .args(["-c", write])
        .arg(&path)
        .arg(script)
        .status();
    assert!(written.unwrap().success());
    path
}
