//! `spark-engine` as its user sees it.

use std::fs;
use std::process::{Command, Output};

use sparkbench::build_info::{self, ImageManifest, sha256_hex};

fn engine(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_spark-engine"))
        .args(arguments)
        .env_remove("SPARKBENCH_PROVENANCE")
        .env("COLUMNS", "100")
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Whether the binaries under test have kernels; says so where a test has less to look at.
fn has_kernels() -> bool {
    let build = build_info::build().unwrap();
    if let Some(reason) = &build.images_reason {
        println!("no kernel images in this build: {reason}");
    }
    build.images_reason.is_none()
}

#[test]
fn the_help_is_the_documented_one() {
    insta::assert_snapshot!("help", stdout(&engine(&["--help"])));
    insta::assert_snapshot!("help_kernels", stdout(&engine(&["kernels", "--help"])));
}

#[test]
fn the_version_names_the_commit() {
    let expected = format!("spark-engine {}\n", build_info::version_line());
    assert_eq!(stdout(&engine(&["--version"])), expected);
}

#[test]
fn the_engine_hands_over_its_images_but_not_the_ruler() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("kernels");
    let output = engine(&["kernels", "--out", out.to_str().unwrap()]);
    if !has_kernels() {
        assert_eq!(output.status.code(), Some(4));
        assert!(stderr(&output).starts_with("error: this binary has no kernel images: "));
        assert!(stderr(&output).contains("\nhint: "));
        assert!(!out.exists());
        return;
    }
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let printed: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(printed["format"], "sparkbench.kernels/1");
    let families: Vec<_> = printed["images"].as_object().unwrap().keys().collect();
    assert_eq!(families, ["memory"]);

    let mut written: Vec<_> = fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    written.sort();
    assert_eq!(written, ["memory.fatbin", "memory.json"]);
    let text = fs::read_to_string(out.join("memory.json")).unwrap();
    let manifest: ImageManifest = serde_json::from_str(&text).unwrap();
    let image = fs::read(out.join("memory.fatbin")).unwrap();
    assert_eq!(sha256_hex(&image), manifest.image_sha256);
    assert_eq!(
        serde_json::to_value(&manifest).unwrap(),
        printed["images"]["memory"]
    );
}

#[test]
fn a_directory_that_cannot_be_written_is_one_line_and_exit_code_8() {
    if !has_kernels() {
        return;
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let output = engine(&["kernels", "--out", file.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(8));
    assert!(stdout(&output).is_empty());
    assert!(stderr(&output).starts_with("error: cannot write "));
}

#[test]
fn a_provenance_record_at_run_time_counts_before_the_stamp() {
    let directory = tempfile::tempdir().unwrap();
    let record = directory.path().join("provenance.json");
    let version = |text: &str| {
        fs::write(&record, text).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_spark-engine"))
            .arg("--version")
            .env("SPARKBENCH_PROVENANCE", &record)
            .output()
            .unwrap();
        stdout(&output)
    };
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let clean = format!(
        r#"{{"source": "file", "commit": "{commit}", "tree": "{commit}", "dirty": false, "commit_reason": null,
            "flake_lock_sha256": null, "flake_lock_reason": "no flake.lock",
            "nix": null, "nix_reason": "packed without Nix"}}"#
    );
    assert_eq!(version(&clean), "spark-engine 0.1.0 (0123456789ab)\n");
    let modified = clean.replace("false", "true");
    assert_eq!(
        version(&modified),
        "spark-engine 0.1.0 (0123456789ab, modified)\n"
    );
    assert_eq!(version("{}"), "spark-engine 0.1.0 (commit unknown)\n");
}
