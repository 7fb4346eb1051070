//! What a check says: pass, fail with what was found, or skipped with the reason.

use serde::Serialize;

/// Most findings that a check lists.
const LISTED: usize = 5;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It holds.
    Pass,
    /// It does not hold.
    Fail,
    /// It does not hold, and the caller allows that.
    Allowed,
    /// It could not be made.
    Skipped,
}

/// A check's status with what it found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) status: Status,
    pub(super) details: Vec<String>,
}

impl Outcome {
    pub(super) fn pass() -> Self {
        Self {
            status: Status::Pass,
            details: vec![],
        }
    }

    pub(super) fn skipped(reason: impl Into<String>) -> Self {
        Self {
            status: Status::Skipped,
            details: vec![reason.into()],
        }
    }

    pub(super) fn allowed(finding: impl Into<String>) -> Self {
        Self {
            status: Status::Allowed,
            details: vec![finding.into()],
        }
    }

    pub(super) fn fail(finding: impl Into<String>) -> Self {
        Findings(vec![finding.into()]).outcome()
    }
}

/// Findings of a check while it goes over its fields; none means pass.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<String>);

impl Findings {
    /// Notes `finding` unless `holds`.
    pub(super) fn expect(&mut self, holds: bool, finding: impl FnOnce() -> String) {
        if !holds {
            self.0.push(finding());
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn outcome(mut self) -> Outcome {
        if self.0.is_empty() {
            return Outcome::pass();
        }
        if let Some(more) = self.0.len().checked_sub(LISTED).filter(|more| *more > 0) {
            self.0.truncate(LISTED);
            self.0.push(format!("and {more} more"));
        }
        Outcome {
            status: Status::Fail,
            details: self.0,
        }
    }
}
