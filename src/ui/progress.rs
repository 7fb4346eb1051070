//! One line on stderr about what is going on. For a session it is drawn between cases only: nothing ticks while
//! something is timed.

use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::result::{CaseRecord, CaseStatus, PlanRecord};
use crate::run::Observer;
use crate::units::Bytes;

use super::number::duration_ns;
use super::terminal;

/// A session's progress; silent where stderr is no terminal, in CI, or when told so.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Progress on stderr, unless `quiet`.
    pub fn new(quiet: bool) -> Self {
        Self { bar: bar(quiet) }
    }

    /// Removes the line.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Observer for Progress {
    fn planned(&self, plan: &PlanRecord) {
        let time = duration_ns(plan.estimate_ns as f64);
        self.bar
            .set_message(format!("{} cases, about {time}", plan.cases.len()));
    }

    fn case_started(&self, index: usize, total: usize, id: &str) {
        self.bar
            .set_message(format!("[{}/{total}] {id}", index + 1));
        // A quick case may follow another within the drawing interval.
        self.bar.force_draw();
    }

    fn working(&self, what: &str, bytes: u64, total: u64) {
        self.bar
            .set_message(format!("{what}: {} of {}", Bytes(bytes), Bytes(total)));
    }

    fn case_ended(&self, case: &CaseRecord) {
        let failed = match case.status {
            CaseStatus::Measured | CaseStatus::Skipped => return,
            CaseStatus::Wrong | CaseStatus::Failed => "failed",
            CaseStatus::Invalid => "is invalid",
            CaseStatus::InfraError => "could not be run",
        };
        let reason = case.reason.as_deref().unwrap_or("no reason given");
        self.bar
            .suspend(|| terminal::warning(&format!("{} {failed}: {reason}", case.id)));
    }
}

/// What a command is at, in a few words at a time.
pub struct Activity {
    bar: ProgressBar,
}

impl Activity {
    /// Nothing yet.
    pub fn begin() -> Self {
        Self { bar: bar(false) }
    }

    /// It is at `what`.
    pub fn doing(&self, what: &str) {
        self.bar.set_message(what.to_owned());
    }

    /// Removes the line.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// The progress of a file that is written.
pub struct ByteProgress {
    bar: ProgressBar,
    bytes: u64,
}

impl ByteProgress {
    /// Progress towards `bytes`, on stderr.
    pub fn new(bytes: u64) -> Self {
        Self {
            bar: bar(false),
            bytes,
        }
    }

    /// So many bytes are written.
    pub fn reached(&self, bytes: u64) {
        self.bar
            .set_message(format!("{} of {}", Bytes(bytes), Bytes(self.bytes)));
    }

    /// Removes the line.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn bar(quiet: bool) -> ProgressBar {
    let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    let target = match quiet || ci || !stderr().is_terminal() {
        true => ProgressDrawTarget::hidden(),
        false => ProgressDrawTarget::stderr(),
    };
    let bar = ProgressBar::with_draw_target(Some(0), target);
    match ProgressStyle::with_template("{msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
