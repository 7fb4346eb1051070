//! A plan: cases, order, bytes, memory and time, before anything runs. Pure; needs no device.

use crate::result::{PlanRecord, PlannedCase, Scale};

/// Puts planned cases together.
pub fn assemble(families: Vec<String>, scale: Scale, cases: Vec<PlannedCase>) -> PlanRecord {
    PlanRecord {
        families,
        scale,
        memory_bytes: cases
            .iter()
            .map(|case| case.memory_bytes)
            .max()
            .unwrap_or(0),
        estimate_ns: cases.iter().map(|case| case.estimate_ns).sum(),
        sha256: PlanRecord::digest(&cases),
        cases,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_needs_the_largest_memory_and_the_sum_of_the_times() {
        let case = |id: &str, memory_bytes, estimate_ns| PlannedCase {
            id: id.into(),
            bytes_per_operation: 1,
            memory_bytes,
            estimate_ns,
        };
        let plan = assemble(
            vec!["memory".into()],
            Scale::Full,
            vec![case("memory/a", 5, 10), case("memory/b", 7, 20)],
        );
        assert_eq!((plan.memory_bytes, plan.estimate_ns), (7, 30));
        assert_ne!(plan.sha256, assemble(vec![], Scale::Full, vec![]).sha256);
    }
}
