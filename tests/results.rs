//! The results that the repository keeps are results: each verifies as a stranger would verify it.

use std::path::Path;
use std::process::Command;

use sparkbench::verify::{Options, verify_file};

/// Tracked files alone: a run leaves its result in the same directory, and that one is its user's affair.
#[test]
fn every_committed_result_verifies() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tracked = Command::new("git")
        .args(["ls-files", "--", "results/*.json"])
        .current_dir(root)
        .output()
        .unwrap();
    assert!(tracked.status.success(), "{tracked:?}");
    let files = String::from_utf8(tracked.stdout).unwrap();
    assert!(!files.is_empty(), "the repository keeps no result");
    for file in files.lines() {
        let report = verify_file(&root.join(file), &Options::default()).unwrap();
        assert!(report.verified, "{report:#?}");
        assert_eq!(report.level.value(), Some(&2), "{report:#?}");
    }
}
