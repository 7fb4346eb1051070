//! Checks a result and reports what held; believes nothing that the file says about itself.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::checks::{CHECKS, Check};
use super::context::Context;
use super::git::Checkout;
use super::outcome::{Outcome, Status};
use super::rebuild::Rebuilt;
use super::replay::{Replayed, ReplayedRun};
use crate::build_info::{self, Build};
use crate::result::{ReadError, Reading, parse, read};

/// What the caller offers and allows.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// A git checkout that must hold the commit that the result names.
    pub git: Option<PathBuf>,
    /// Accept a result that is no pinned evidence: of an unknown commit, of a working copy with uncommitted changes, of a
    /// toolchain that flake.lock does not pin, or of weights that no configuration pins. For development: nobody can
    /// make such a result again.
    pub allow_unpinned: bool,
    /// What the commit gave when it was built again, or why it does not build.
    pub rebuilt: Option<Result<Rebuilt, String>>,
    /// What replays with weights files gave, one of each model; empty if none was asked for.
    pub replayed: Vec<Replayed>,
    /// Why there is none although one was asked for: the result is of other models.
    pub not_replayed: Option<String>,
}

/// One check of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckOutcome {
    /// Stable name, e.g. `derived.median_ns`.
    pub name: &'static str,
    /// Level that it belongs to.
    pub level: u8,
    /// How it ended.
    pub status: Status,
    /// What was found if it failed, why if it was skipped.
    pub details: Vec<String>,
}

/// What was found in one file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The file.
    pub file: String,
    /// Whether no check failed.
    pub verified: bool,
    /// The highest level at which something was looked at, and up to which no check failed.
    pub level: Reading<u8>,
    /// Whether the result is pinned evidence: no check failed, and none was allowed to, so that a stranger can build the
    /// program again from what the result names, and get the same weights.
    pub pinned: bool,
    /// Checks that held.
    pub passed: usize,
    /// Checks that did not.
    pub failed: usize,
    /// Checks that did not, which the caller allows.
    pub allowed: usize,
    /// Checks that could not be made.
    pub skipped: usize,
    /// The commands by which the commit was built again; none if it was not.
    pub rebuilt_by: Vec<String>,
    /// The runs that were replayed, each with what was compared; level 4 is about no other run.
    pub replayed: Vec<String>,
    /// All checks in order of their levels.
    pub checks: Vec<CheckOutcome>,
}

/// The result files that `path` stands for: itself, or every `*.json` below it, sorted.
///
/// # Errors
/// The file system's, and a directory without such a file.
pub fn result_files(path: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let failed = |source| ReadError::Io {
        path: path.to_owned(),
        source,
    };
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    let mut directories = vec![path.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // Links are not followed, so that no directory is entered twice.
            let path = entry.path();
            if entry.file_type().map_err(failed)?.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|e| e == "json") && may_be_file(&path) {
                files.push(path);
            }
        }
    }
    if files.is_empty() {
        return Err(failed(io::Error::other(
            "expected result files (*.json), found none",
        )));
    }
    files.sort();
    Ok(files)
}

/// Pipes, sockets and devices are none: to read a pipe that nobody asked for could take forever. What cannot be looked at
/// is not passed over in silence.
fn may_be_file(path: &Path) -> bool {
    fs::metadata(path).map_or(true, |metadata| metadata.is_file())
}

/// Checks the file at `path`.
///
/// # Errors
/// The file system's. What is wrong with the content is in the report.
pub fn verify_file(path: &Path, options: &Options) -> Result<Report, ReadError> {
    let name = path.display().to_string();
    match read(path) {
        Ok(bytes) => Ok(verify(&name, &bytes, options)),
        Err(error @ ReadError::Io { .. }) => Err(error),
        Err(error) => Ok(unread(&name, &error)),
    }
}

/// Checks the bytes of a result file, called `file` in the report.
pub fn verify(file: &str, bytes: &[u8], options: &Options) -> Report {
    let own = build_info::build().ok().cloned().map(|build| Build {
        provenance: build_info::provenance().unwrap_or(build.provenance),
        ..build
    });
    verify_as(own.as_ref(), file, bytes, options)
}

/// [`verify`] as a program that was made as `own` says.
pub(super) fn verify_as(
    own: Option<&Build>,
    file: &str,
    bytes: &[u8],
    options: &Options,
) -> Report {
    let result = match parse(bytes) {
        Ok(result) => result,
        Err(error) => return unread(file, &error),
    };
    let checkout = options.git.as_deref().map(Checkout::at);
    let context = Context::new(&result, own, checkout.as_ref(), options);
    let commands = |rebuilt: &Rebuilt| rebuilt.commands.clone();
    Report {
        rebuilt_by: context
            .rebuilt
            .and_then(|r| r.as_ref().ok())
            .map(commands)
            .unwrap_or_default(),
        replayed: context
            .replayed
            .iter()
            .flat_map(|model| &model.runs)
            .map(ReplayedRun::summary)
            .collect(),
        ..report(file, |check| (check.run)(&context))
    }
}

/// The report on bytes that are no result.
fn unread(file: &str, error: &ReadError) -> Report {
    let failed = match error {
        ReadError::Io { .. } | ReadError::TooLarge { .. } => "file.size",
        ReadError::NotText { .. } => "file.text",
        ReadError::Format { .. } => "file.format",
        ReadError::Json(_) => "file.parse",
    };
    let mut reached = true;
    report(file, |check| {
        if check.name == failed {
            reached = false;
            let hint = error.hint().map(|hint| format!("; {hint}"));
            return Outcome::fail(format!("{error}{}", hint.unwrap_or_default()));
        }
        match reached {
            true => Outcome::pass(),
            false => Outcome::skipped("the file could not be read as a result"),
        }
    })
}

fn report(file: &str, mut run: impl FnMut(&Check) -> Outcome) -> Report {
    let checks: Vec<CheckOutcome> = CHECKS
        .iter()
        .map(|check| {
            let outcome = run(check);
            CheckOutcome {
                name: check.name,
                level: check.level,
                status: outcome.status,
                details: outcome.details,
            }
        })
        .collect();
    let count = |status| checks.iter().filter(|check| check.status == status).count();
    let failed_at = checks
        .iter()
        .filter(|check| check.status == Status::Fail)
        .map(|check| check.level)
        .min();
    let looked_at = checks.iter().filter(|check| check.status == Status::Pass);
    let reached = looked_at
        .map(|check| check.level)
        .filter(|level| failed_at.is_none_or(|failed_at| *level < failed_at))
        .max();
    Report {
        file: file.to_owned(),
        verified: failed_at.is_none(),
        level: Reading::from_option(reached, "a check of level 0 failed"),
        pinned: failed_at.is_none() && count(Status::Allowed) == 0,
        passed: count(Status::Pass),
        failed: count(Status::Fail),
        allowed: count(Status::Allowed),
        rebuilt_by: Vec::new(),
        replayed: Vec::new(),
        skipped: count(Status::Skipped),
        checks,
    }
}
