//! Which commit the sources are, as git says, and what to watch so that the answer stays current.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::digest::{is_hex, sha256_hex};
use super::record::{Provenance, ProvenanceSource};
use super::sources::DETERMINING;

/// What git and `flake.lock` in `root` say.
pub fn provenance(root: &Path) -> Provenance {
    let (flake_lock_sha256, flake_lock_reason) = match fs::read(root.join("flake.lock")) {
        Ok(bytes) => (Some(sha256_hex(&bytes)), None),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            (None, Some("the sources have no flake.lock".into()))
        }
        Err(e) => (None, Some(format!("flake.lock: {e}"))),
    };
    let unknown = |reason| Provenance {
        source: ProvenanceSource::Cargo,
        commit: None,
        tree: None,
        dirty: None,
        commit_reason: Some(reason),
        flake_lock_sha256: flake_lock_sha256.clone(),
        flake_lock_reason: flake_lock_reason.clone(),
        nix: None,
        nix_reason: Some("built by Cargo, without Nix".into()),
    };
    match state(root) {
        Ok((commit, tree, dirty)) => Provenance {
            commit: Some(commit),
            tree: Some(tree),
            dirty: Some(dirty),
            commit_reason: None,
            ..unknown(String::new())
        },
        Err(reason) => unknown(reason),
    }
}

/// Commit, tree, and whether the sources differ from them.
fn state(root: &Path) -> Result<(String, String, bool), String> {
    // A copy of the sources inside of another repository is not a checkout of that one.
    let top = git(root, &["rev-parse", "--show-toplevel"])?;
    if fs::canonicalize(&top).ok() != fs::canonicalize(root).ok() {
        return Err("not a git checkout".to_owned());
    }
    let object = |name: &str| {
        let id = git(root, &["rev-parse", "--verify", "--quiet", name])?;
        match is_hex(&id, 40) {
            true => Ok(id),
            false => Err(format!(
                "expected 40 hexadecimal digits from git, found {id:?}"
            )),
        }
    };
    let (commit, tree) = (object("HEAD")?, object("HEAD^{tree}")?);
    let changed = git(root, &["status", "--porcelain", "--untracked-files=no"])?;
    let mut list_untracked = vec!["ls-files", "--others", "--exclude-standard", "--"];
    list_untracked.extend(DETERMINING);
    let untracked = git(root, &list_untracked)?;
    Ok((commit, tree, !changed.is_empty() || !untracked.is_empty()))
}

/// The files and directories whose change may change the stamp: all tracked files, and where git notes a new commit.
///
/// The index is not among them, as `git status` alone rewrites it.
pub fn watched(root: &Path) -> Vec<PathBuf> {
    let names = DETERMINING.iter().copied().chain(["flake.lock"]);
    let mut paths: Vec<PathBuf> = names.map(|name| root.join(name)).collect();
    if let Ok(files) = git(root, &["ls-files"]) {
        let outside = |file: &&str| {
            let top = file.split('/').next().unwrap_or_default();
            !DETERMINING.contains(&top)
        };
        paths.extend(files.lines().filter(outside).map(|file| root.join(file)));
    }
    // The log of HEAD gets a line at every commit and checkout. Where logs are off, a branch moves instead.
    for name in ["HEAD", "logs/HEAD", "refs/heads"] {
        if let Ok(path) = git(root, &["rev-parse", "--git-path", name]) {
            let path = root.join(path);
            let known = path.exists();
            paths.push(path);
            if known && name == "logs/HEAD" {
                break;
            }
        }
    }
    // Cargo takes a missing file for a changed one.
    paths.retain(|path| path.exists());
    paths
}

/// What git prints, or the first line of why it does not.
fn git(root: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new("git");
    // The repository is the one at `root`, also in a hook of another; and asking changes nothing in it.
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        command.env_remove(variable);
    }
    let output = command
        .arg("--no-optional-locks")
        .arg("-C")
        .arg(root)
        .args(arguments)
        .output()
        .map_err(|e| format!("cannot run git: {e}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().next().unwrap_or_default().trim();
    match line.contains("not a git repository") {
        true => Err("not a git checkout".to_owned()),
        false if line.is_empty() => Err("git knows no commit here".to_owned()),
        false => Err(format!("git: {line}")),
    }
}
