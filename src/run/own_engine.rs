//! Which program is the suite's own engine. Knows nothing of what it does.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The engine of this suite, beside the harness.
const ENGINE: &str = "spark-engine";

/// The program that is measured where none is named.
pub(super) fn program() -> PathBuf {
    fresh(env::current_exe().unwrap_or_else(|_| ENGINE.into()))
}

/// `spark-engine` in the directory of the running program `harness`, or that program itself, whose `serve` is the same, in
/// a process of its own all the same: `cargo run` builds one program alone, and leaves no other beside it, or one that was
/// built before it from other sources.
fn fresh(harness: PathBuf) -> PathBuf {
    let modified = |program: &Path| {
        let metadata = fs::metadata(program).ok()?;
        metadata.is_file().then(|| metadata.modified().ok())?
    };
    let beside = harness.with_file_name(ENGINE);
    match modified(&beside) {
        Some(at) if Some(at) >= modified(&harness) => beside,
        _ => harness,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn an_engine_that_is_absent_or_older_than_the_harness_is_not_the_one_that_is_measured() {
        let directory = tempfile::tempdir().unwrap();
        let (harness, engine) = (
            directory.path().join("sparkbench"),
            directory.path().join(ENGINE),
        );
        let now = SystemTime::now();
        let write = |path: &Path, at: SystemTime| {
            let file = fs::File::create(path).unwrap();
            file.set_modified(at).unwrap();
        };
        write(&harness, now);
        assert_eq!(fresh(harness.clone()), harness);
        write(&engine, now - Duration::from_secs(1));
        assert_eq!(fresh(harness.clone()), harness);
        write(&engine, now);
        assert_eq!(fresh(harness.clone()), engine);
    }
}
