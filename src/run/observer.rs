//! What a session tells while it runs. Knows no terminal.

use crate::result::{CaseRecord, PlanRecord};

/// Told about a session's progress, outside timed regions only.
pub trait Observer: Sync {
    /// The plan is made.
    fn planned(&self, plan: &PlanRecord);
    /// The case `index` (from 0) of `total` begins.
    fn case_started(&self, index: usize, total: usize, id: &str);
    /// Work on a file, named by `what`, has reached `bytes` of `total`.
    fn working(&self, what: &str, bytes: u64, total: u64);
    /// A case ended.
    fn case_ended(&self, case: &CaseRecord);
}
