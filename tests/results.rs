//! The results that the repository keeps are results: each verifies as a stranger would verify it.

use std::path::Path;

use sparkbench::verify::{Options, result_files, verify_file};

#[test]
fn every_committed_result_verifies() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
    let files = result_files(&directory).unwrap();
    assert!(!files.is_empty(), "{} holds no result", directory.display());
    for file in files {
        let report = verify_file(&file, &Options::default()).unwrap();
        assert!(report.verified, "{report:#?}");
        assert_eq!(report.level.value(), Some(&2), "{report:#?}");
    }
}
