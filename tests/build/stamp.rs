//! The stamp: commit, tree, dirty flag, and the digest of the sources.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::build::digest::is_hex;
use super::build::record::{Provenance, ProvenanceSource};
use super::build::sources::source_digest;
use super::build::stamp::{provenance, watched};

fn git(root: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        // Set where the tests run in a hook.
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .args([
            "-c",
            "user.name=Test",
            "-c",
            "user.email=test@example.org",
            "-c",
            "commit.gpgsign=false",
            "-C",
        ])
        .arg(root)
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

/// A repository with one commit.
fn repository() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    fs::create_dir(root.join("src")).unwrap();
    fs::write(root.join("src/lib.rs"), "//! A library.\n").unwrap();
    fs::write(root.join("README.md"), "A library.\n").unwrap();
    git(root, &["init", "--quiet"]);
    git(root, &["add", "."]);
    git(root, &["commit", "--quiet", "--message", "First"]);
    directory
}

#[test]
fn the_dirty_flag_follows_the_tracked_files() {
    let directory = repository();
    let root = directory.path();
    let dirty = || provenance(root).dirty.unwrap();
    assert!(!dirty());
    for file in ["src/lib.rs", "README.md"] {
        fs::write(root.join(file), "Another.\n").unwrap();
        assert!(dirty(), "{file}");
        git(root, &["checkout", "--quiet", file]);
        assert!(!dirty(), "{file}");
    }
}

#[test]
fn an_untracked_file_counts_among_the_sources_and_nowhere_else() {
    let directory = repository();
    let root = directory.path();
    fs::write(root.join("notes.txt"), "").unwrap();
    assert_eq!(provenance(root).dirty, Some(false));
    fs::write(root.join("src/new.rs"), "").unwrap();
    assert_eq!(provenance(root).dirty, Some(true));
}

#[test]
fn a_new_commit_is_a_new_stamp_and_touches_a_watched_file() {
    let directory = repository();
    let root = directory.path();
    let before = provenance(root);
    assert_eq!(before.source, ProvenanceSource::Cargo);
    assert_eq!(
        before.commit.as_deref(),
        Some(git(root, &["rev-parse", "HEAD"]).as_str())
    );
    assert_eq!(
        before.tree.as_deref(),
        Some(git(root, &["rev-parse", "HEAD^{tree}"]).as_str())
    );
    let contents = || {
        watched(root)
            .iter()
            .filter_map(|path| fs::read(path).ok())
            .collect::<Vec<_>>()
    };
    let watched_before = contents();
    git(
        root,
        &["commit", "--quiet", "--allow-empty", "--message", "Second"],
    );
    let after = provenance(root);
    assert_ne!(after.commit, before.commit);
    assert_eq!(after.tree, before.tree);
    assert_ne!(contents(), watched_before);
}

#[test]
fn asking_for_the_stamp_changes_nothing_in_the_repository() {
    let directory = repository();
    let root = directory.path();
    let index = || fs::read(root.join(".git/index")).unwrap();
    // Written again with the same content: git status would like to note the new time in the index.
    fs::write(root.join("README.md"), "A library.\n").unwrap();
    let before = index();
    assert_eq!(provenance(root).dirty, Some(false));
    assert_eq!(index(), before);
}

#[test]
fn every_tracked_file_is_watched_and_every_watched_file_exists() {
    let directory = repository();
    let root = directory.path();
    let watched = watched(root);
    // Cargo watches a directory with all that is in it.
    assert!(watched.contains(&root.join("src")));
    assert!(watched.contains(&root.join("README.md")));
    assert!(watched.iter().all(|path| path.exists()));
}

#[test]
fn sources_outside_of_a_checkout_have_no_commit_and_say_why() {
    let directory = tempfile::tempdir().unwrap();
    let found = provenance(directory.path());
    assert_eq!((found.commit, found.tree, found.dirty), (None, None, None));
    assert_eq!(found.commit_reason.as_deref(), Some("not a git checkout"));
    assert_eq!(
        found.flake_lock_reason.as_deref(),
        Some("the sources have no flake.lock")
    );
}

#[test]
fn a_copy_inside_of_another_repository_does_not_take_its_commit() {
    let directory = repository();
    let found = provenance(&directory.path().join("src"));
    assert_eq!(found.commit_reason.as_deref(), Some("not a git checkout"));
}

#[test]
fn a_repository_without_a_commit_says_so() {
    let directory = tempfile::tempdir().unwrap();
    git(directory.path(), &["init", "--quiet"]);
    let found = provenance(directory.path());
    assert_eq!(
        found.commit_reason.as_deref(),
        Some("git knows no commit here")
    );
}

#[test]
fn the_lock_of_the_flake_is_named_by_its_digest() {
    let directory = repository();
    fs::write(directory.path().join("flake.lock"), "abc").unwrap();
    let found = provenance(directory.path());
    // FIPS 180-4 example: the message "abc".
    let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(found.flake_lock_sha256.as_deref(), Some(expected));
    assert_eq!(found.flake_lock_reason, None);
}

#[test]
fn the_source_digest_is_that_of_the_list_that_sha256sum_prints() {
    let directory = repository();
    let root = directory.path();
    fs::create_dir_all(root.join("kernels/memory")).unwrap();
    fs::write(root.join("kernels/memory/kv_read.cu"), "abc").unwrap();
    let list = Command::new("sha256sum")
        .args(["kernels/memory/kv_read.cu", "src/lib.rs"])
        .current_dir(root)
        .output()
        .unwrap();
    let digest = source_digest(root).unwrap();
    assert!(is_hex(&digest, 64));
    assert_eq!(digest, super::build::digest::sha256_hex(&list.stdout));

    fs::write(root.join("README.md"), "Not a source.").unwrap();
    fs::write(root.join("src/.lib.rs.swp"), "Hidden.").unwrap();
    assert_eq!(source_digest(root).unwrap(), digest);
    fs::rename(root.join("src/lib.rs"), root.join("src/main.rs")).unwrap();
    assert_ne!(source_digest(root).unwrap(), digest);
}

#[test]
fn a_provenance_record_must_be_whole() {
    let directory = repository();
    let stamp = provenance(directory.path());
    let text = serde_json::to_string(&stamp).unwrap();
    let handed_over = Provenance::from_json(&text).unwrap();
    assert_eq!(handed_over.source, ProvenanceSource::File);
    assert_eq!(handed_over.commit, stamp.commit);

    let error = |from: &str, to: &str| {
        assert!(text.contains(from), "{text}");
        Provenance::from_json(&text.replace(from, to)).unwrap_err()
    };
    let commit = stamp.commit.unwrap();
    insta::assert_snapshot!(error(&format!("\"{commit}\""), "\"main\""), @r#"expected 40 lowercase hexadecimal digits in commit, found "main""#);
    insta::assert_snapshot!(error("\"dirty\":false", "\"dirty\":null"), @"expected a reason in commit_reason, found None");
    insta::assert_snapshot!(error("\"dirty\":false,", ""), @"expected a reason in commit_reason, found None");
    insta::assert_snapshot!(error("\"dirty\":", "\"dirt\":"), @"unknown field `dirt`, expected one of `source`, `commit`, `tree`, `dirty`, `commit_reason`, `flake_lock_sha256`, `flake_lock_reason`, `nix`, `nix_reason` at line 1 column 126");
}

#[test]
fn what_nix_hands_over_must_have_its_form_and_a_reason_for_every_null() {
    let path = |digit: &str, name: &str| format!("/nix/store/{}-{name}", digit.repeat(32));
    let text = format!(
        r#"{{"source": "file", "commit": null, "tree": null, "dirty": null, "commit_reason": "overridden",
        "flake_lock_sha256": null, "flake_lock_reason": "none", "nix": {{
        "nixpkgs_rev": null, "nixpkgs_nar_hash": "sha256-{}=", "nixpkgs_reason": "a stand-in has no revision",
        "stand_in": true, "system": "x86_64-linux", "cuda_version": "13.2", "nvcc_flags": ["-O3"],
        "runner_attribute": "sparkbench", "runner_store_path": "{}",
        "kernels_store_paths": {{"rtx5090": "{}"}}}}, "nix_reason": null}}"#,
        "A".repeat(43),
        path("0", "sparkbench-0.1.0"),
        path("1", "kernels-rtx5090"),
    );
    let record = Provenance::from_json(&text).unwrap();
    assert!(record.nix.unwrap().stand_in);

    let error = |from: &str, to: &str| {
        assert!(text.contains(from), "{text}");
        Provenance::from_json(&text.replace(from, to)).unwrap_err()
    };
    insta::assert_snapshot!(error("\"nix_reason\": null", "\"nix_reason\": \"none\""), @r#"expected null in nix_reason, found Some("none")"#);
    insta::assert_snapshot!(error("\"a stand-in has no revision\"", "null"), @"expected a reason in nix.nixpkgs_reason, found None");
    insta::assert_snapshot!(error("\"nixpkgs_rev\": null", "\"nixpkgs_rev\": \"master\""), @r#"expected 40 lowercase hexadecimal digits in nix.nixpkgs_rev, found "master""#);
    insta::assert_snapshot!(error("sha256-A", "sha256:A"), @r#"expected sha256- and 44 digits of base64 in nix.nixpkgs_nar_hash, found "sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=""#);
    insta::assert_snapshot!(error("/nix/store/11", "/nix/store/e1"), @r#"expected a store path in nix, found "/nix/store/e1111111111111111111111111111111-kernels-rtx5090""#);
    insta::assert_snapshot!(error("/nix/store/00", "/usr/bin/00"), @r#"expected a store path in nix, found "/usr/bin/00000000000000000000000000000000-sparkbench-0.1.0""#);
    insta::assert_snapshot!(error("\"sparkbench\"", "\"a b\""), @r#"expected the name of a package in nix, found "a b""#);
    insta::assert_snapshot!(error("\"rtx5090\"", "\"rtx^5090\""), @r#"expected the name of a package in nix, found "rtx^5090""#);
}
