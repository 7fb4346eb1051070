//! Level 2: whether the session as a whole holds together: its plan, its end, its clock, its redaction.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::context::Context;
use super::outcome::{Findings, Outcome};
use crate::result::{CaseRecord, IdentityForm, PlanRecord, REDACTED, Session, SessionStatus};

pub(super) fn complete(context: &Context<'_>) -> Outcome {
    let payload = context.payload;
    let (there, planned) = (payload.cases.len(), payload.plan.cases.len());
    let mut findings = Findings::default();
    findings.expect(payload.session.status == SessionStatus::Complete, || {
        format!("the session was interrupted after {there} of {planned} cases")
    });
    findings.expect(there == planned, || {
        format!("{there} of {planned} cases are there")
    });
    findings.outcome()
}

/// Wall-clock times against the monotonic duration.
pub(super) fn times(context: &Context<'_>) -> Outcome {
    let session = &context.payload.session;
    let Some(wall) = wall_seconds(session) else {
        return Outcome::fail("the times of the session are no times");
    };
    let duration = session.duration_ns as f64 / 1e9;
    let mut findings = Findings::default();
    // The wall clock may be set while a session runs; by more than this it is another session.
    findings.expect((wall - duration).abs() <= 2.0 + 0.02 * duration, || {
        format!("{wall} s passed on the wall clock, {duration} s on the monotonic one")
    });
    findings.outcome()
}

fn wall_seconds(session: &Session) -> Option<f64> {
    let begin: Timestamp = session.started_at.parse().ok()?;
    let end: Timestamp = session.ended_at.parse().ok()?;
    Some(end.duration_since(begin).as_secs_f64())
}

pub(super) fn redaction(context: &Context<'_>) -> Outcome {
    let payload = context.payload;
    let redacted = payload.session.redacted;
    let mut findings = Findings::default();
    if let Some(gpu) = payload.machine.gpu.value() {
        let form = match redacted {
            true => IdentityForm::SaltedSha256,
            false => IdentityForm::Plain,
        };
        findings.expect(gpu.uuid.form == form, || {
            format!(
                "expected a UUID in the form {form:?} where redacted is {redacted}, found {:?}",
                gpu.uuid.form
            )
        });
        findings.expect(
            (gpu.pci_bus_id.reason() == Some(REDACTED)) == redacted,
            || format!("the PCI bus id does not fit redacted being {redacted}"),
        );
    }
    let name = &payload.machine.host.name;
    findings.expect((name.reason() == Some(REDACTED)) == redacted, || {
        format!("the host name does not fit redacted being {redacted}")
    });
    findings.outcome()
}

pub(super) fn plan_digest(context: &Context<'_>) -> Outcome {
    let plan = &context.payload.plan;
    let recomputed = PlanRecord::digest(&plan.cases);
    let mut findings = Findings::default();
    findings.expect(plan.sha256 == recomputed, || {
        format!("stated {}, recomputed {recomputed}", plan.sha256)
    });
    findings.outcome()
}

/// The cases run against those planned.
pub(super) fn plan_cases(context: &Context<'_>) -> Outcome {
    let payload = context.payload;
    let mut findings = Findings::default();
    let ids: BTreeSet<&str> = payload
        .plan
        .cases
        .iter()
        .map(|case| case.id.as_str())
        .collect();
    findings.expect(ids.len() == payload.plan.cases.len(), || {
        "two planned cases have one id".to_owned()
    });
    let families: BTreeSet<&str> = ids.iter().filter_map(|id| id.split('/').next()).collect();
    let stated: BTreeSet<&str> = payload.plan.families.iter().map(String::as_str).collect();
    findings.expect(
        families == stated && stated.len() == payload.plan.families.len(),
        || {
            format!(
                "families {:?} are planned, the cases are of {families:?}",
                payload.plan.families
            )
        },
    );
    findings.expect(payload.cases.len() <= payload.plan.cases.len(), || {
        format!(
            "{} cases run, {} planned",
            payload.cases.len(),
            payload.plan.cases.len()
        )
    });
    for (planned, case) in context.planned() {
        findings.expect(planned.id == case.id, || {
            format!("{} was run where {} was planned", case.id, planned.id)
        });
    }
    findings.outcome()
}

/// Bytes planned against the work measured.
pub(super) fn plan_bytes(context: &Context<'_>) -> Outcome {
    let mut findings = Findings::default();
    for (planned, case) in context.planned() {
        if let Some(moved) = bytes_moved(case) {
            findings.expect(moved == u128::from(planned.bytes_per_operation), || {
                format!(
                    "{}: {} bytes planned, {moved} moved",
                    case.id, planned.bytes_per_operation
                )
            });
        }
    }
    findings.outcome()
}

fn bytes_moved(case: &CaseRecord) -> Option<u128> {
    let work = case.measurement.as_ref()?.work;
    Some(u128::from(work.bytes_read) + u128::from(work.bytes_written))
}

/// The plan's totals.
pub(super) fn plan_totals(context: &Context<'_>) -> Outcome {
    let plan = &context.payload.plan;
    let mut findings = Findings::default();
    let memory = plan
        .cases
        .iter()
        .map(|case| case.memory_bytes)
        .max()
        .unwrap_or(0);
    findings.expect(plan.memory_bytes == memory, || {
        format!(
            "memory_bytes: stated {}, the largest of the cases is {memory}",
            plan.memory_bytes
        )
    });
    let estimate: u128 = plan
        .cases
        .iter()
        .map(|case| u128::from(case.estimate_ns))
        .sum();
    findings.expect(u128::from(plan.estimate_ns) == estimate, || {
        format!(
            "estimate_ns: stated {}, the cases' sum is {estimate}",
            plan.estimate_ns
        )
    });
    findings.outcome()
}
