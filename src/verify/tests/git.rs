//! Results held against a git checkout.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::sealing::failed;
use crate::build_info::sha256_hex;
use crate::config::load;
use crate::result::{NixRecord, Payload, Reading, sample, seal};
use crate::verify::{Options, Report, Status, verify};

const RECIPE: &str = r#"{
  "architectures": [90, 110, 120, 121],
  "flags": ["-std=c++17", "-O3"],
  "families": {"calibration": ["calibration/read.cu"]}
}"#;

/// A lock of the nixpkgs that the sample was built with.
const LOCK: &str = r#"{"nodes": {"nixpkgs": {"locked": {
    "lastModified": 1782535326, "narHash": "sha256-NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN=",
    "owner": "NixOS", "repo": "nixpkgs", "rev": "714a5f8c4ead6b31148d829288440ed033ccc041", "type": "github"}},
    "root": {"inputs": {"nixpkgs": "nixpkgs"}}}, "root": "root", "version": 7}"#;

fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args([
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.org",
            "-c",
            "commit.gpgsign=false",
        ])
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A repository with one commit of everything that a result may be held against, and a result of that commit.
fn checkout(directory: &Path) -> Payload {
    let target = load::targets("gemma4_26b_a4b_h100").unwrap().remove(0);
    let files = [
        ("Cargo.toml", "[package]"),
        ("flake.lock", LOCK),
        ("kernels/.hidden", "does not count"),
        ("kernels/build.json", RECIPE),
        ("kernels/calibration/read.cu", "read.cu"),
        ("configs/h100.yaml", &target.machine.source.text),
        (
            "configs/models/gemma4_26b_a4b.yaml",
            &target.model.source.text,
        ),
        (
            "configs/targets/gemma4_26b_a4b_h100.yaml",
            &target.source.text,
        ),
        ("src/main.rs", "fn main() {}"),
    ];
    for (path, text) in files {
        let path = directory.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    git(directory, &["init", "--quiet"]);
    git(directory, &["add", "."]);
    git(directory, &["commit", "--quiet", "-m", "all"]);
    let mut payload = sample::h100();
    let provenance = &mut payload.build.provenance;
    provenance.commit = Reading::of(git(directory, &["rev-parse", "HEAD"]));
    provenance.tree = Reading::of(git(directory, &["rev-parse", "HEAD^{tree}"]));
    provenance.flake_lock_sha256 = Reading::of(sha256_hex(LOCK.as_bytes()));
    let determining = ["Cargo.toml", "configs/", "kernels/", "src/"];
    let mut sources: Vec<_> = files
        .iter()
        .filter(|(path, _)| {
            determining.iter().any(|start| path.starts_with(start)) && !path.contains("/.")
        })
        .collect();
    sources.sort();
    let line = |(path, text): &&(&str, &str)| format!("{}  {path}\n", sha256_hex(text.as_bytes()));
    payload.build.source_sha256 =
        sha256_hex(sources.iter().map(line).collect::<String>().as_bytes());
    payload
}

/// The sample's Nix with another revision, or another hash, of nixpkgs.
fn other_nixpkgs(payload: &Payload, revision: bool) -> Reading<NixRecord> {
    payload.build.provenance.nix.clone().map(|mut nix| {
        match revision {
            true => nix.nixpkgs_rev = Reading::of("0".repeat(40)),
            false => nix.nixpkgs_nar_hash = Reading::of(format!("sha256-{}=", "M".repeat(43))),
        }
        nix
    })
}

fn report(directory: &Path, payload: &Payload) -> Report {
    let options = Options {
        git: Some(directory.to_owned()),
        ..Options::default()
    };
    verify("sample", seal(payload).unwrap().text.as_bytes(), &options)
}

#[test]
fn a_result_of_a_commit_of_the_checkout_passes() {
    let directory = tempfile::tempdir().unwrap();
    let payload = checkout(directory.path());
    let report = report(directory.path(), &payload);
    assert_eq!(failed(&report), [""; 0]);
    let git = report
        .checks
        .iter()
        .filter(|check| check.name.starts_with("git."));
    let statuses: Vec<Status> = git.map(|check| check.status).collect();
    assert_eq!(statuses, [Status::Pass; 6]);
}

#[test]
fn what_the_commit_does_not_hold_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let honest = checkout(directory.path());
    let digest = || Reading::of(sha256_hex(b"other"));
    type Edit<'a> = &'a dyn Fn(&mut Payload);
    let edits: [(Edit<'_>, &[&str]); 13] = [
        (
            &|p| p.build.provenance.tree = p.build.provenance.commit.clone(),
            &["git.tree"],
        ),
        (
            &|p| p.build.provenance.flake_lock_sha256 = digest(),
            &["git.flake_lock"],
        ),
        (
            &|p| p.build.provenance.flake_lock_sha256 = Reading::missing("none"),
            &["provenance.flake_lock", "git.flake_lock"],
        ),
        (
            &|p| p.build.source_sha256 = sha256_hex(b"other"),
            &["git.sources"],
        ),
        (
            &|p| {
                let sources = &mut p.images[0].manifest.sources;
                sources.insert(
                    "kernels/calibration/read.cu".to_owned(),
                    sha256_hex(b"other"),
                );
            },
            &["git.kernels"],
        ),
        (
            &|p| p.images[0].manifest.arguments[1] = "--use_fast_math".to_owned(),
            &["provenance.nix", "git.kernels"],
        ),
        (
            &|p| p.images[0].manifest.architectures[0] = "sm_75".to_owned(),
            &["provenance.images", "provenance.manifests", "git.kernels"],
        ),
        (
            &|p| p.build.provenance.nix = other_nixpkgs(p, true),
            &["git.flake_lock"],
        ),
        (
            &|p| p.build.provenance.nix = other_nixpkgs(p, false),
            &["git.flake_lock"],
        ),
        (
            &|p| {
                p.build.provenance.nix = other_nixpkgs(p, false).map(|mut nix| {
                    nix.stand_in = true;
                    nix
                });
            },
            &["provenance.nixpkgs"],
        ),
        (
            &|p| p.target.models[0].sha256 = sha256_hex(b"other"),
            &["git.configurations"],
        ),
        (
            &|p| p.target.targets[0].sha256 = sha256_hex(b"other"),
            &["git.configurations"],
        ),
        (
            &|p| p.build.provenance.commit = Reading::of("c0ffee00".repeat(5)),
            &[
                "git.commit",
                "git.tree",
                "git.flake_lock",
                "git.sources",
                "git.kernels",
            ],
        ),
    ];
    for (edit, expected) in edits {
        let mut payload = honest.clone();
        edit(&mut payload);
        assert_eq!(failed(&report(directory.path(), &payload)), expected);
    }
}

#[test]
fn a_commit_beside_the_history_of_head_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let first = checkout(path);
    git(path, &["checkout", "--quiet", "-b", "side"]);
    git(path, &["commit", "--quiet", "--allow-empty", "-m", "side"]);
    let mut side = first.clone();
    side.build.provenance.commit = Reading::of(git(path, &["rev-parse", "HEAD"]));
    git(path, &["checkout", "--quiet", "-"]);
    git(path, &["commit", "--quiet", "--allow-empty", "-m", "later"]);
    assert_eq!(
        failed(&report(path, &first)),
        [""; 0],
        "an ancestor of HEAD"
    );
    assert_eq!(failed(&report(path, &side)), ["git.commit"]);
}

#[test]
fn a_directory_without_a_repository_fails_what_it_should_show() {
    let directory = tempfile::tempdir().unwrap();
    let report = report(directory.path(), &sample::cpu());
    assert!(failed(&report).contains(&"git.commit"));
    let git = report
        .checks
        .iter()
        .filter(|check| check.name.starts_with("git."));
    for check in git.filter(|check| check.status == Status::Fail) {
        let said = &check.details[0];
        assert!(
            said.contains("not a git repository"),
            "{}: {said}",
            check.name
        );
    }
}
