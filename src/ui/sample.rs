//! Sessions for the tests of this module: those of `result`, with a case in every state.

use crate::result::{CaseStatus, Payload, Reading, SessionStatus, StoppingReason, Warning, sample};

/// A session on a GPU, with a skipped, a failed and an unsettled case, one that is steady in its process only, and a curve.
pub fn on_gpu() -> Payload {
    let mut payload = sample::h100();
    for case in payload
        .cases
        .iter_mut()
        .filter(|case| case.id.contains("/l2/"))
    {
        let (key, value) = ("steady".to_owned(), "in a process".to_owned());
        case.labels.insert(key, value);
    }
    let mut failed = payload.cases[1].clone();
    failed.id = "memory/expert_fetch/qwen35/cold".to_owned();
    failed.status = CaseStatus::Failed;
    failed.reason = Some("12 of 4096 output words differ from the reference".to_owned());
    failed.measurement = None;
    let mut curve: Vec<_> = (20..29)
        .map(|power| {
            let mut case = payload.cases[0].clone();
            case.id = format!("memory/l2_curve/{}", 1u64 << power);
            case.sizes
                .insert("working_set_bytes".to_owned(), 1 << power);
            case
        })
        .collect();
    if let Some(measurement) = curve.last_mut().and_then(|case| case.measurement.as_mut()) {
        measurement.stopping.reason = StoppingReason::TimeLimit;
    }
    payload.cases.push(failed);
    payload.cases.extend(curve);
    payload
}

/// An interrupted session on the CPU, from a tree with changes, with a warning.
pub fn on_cpu() -> Payload {
    let mut payload = sample::cpu();
    payload.session.status = SessionStatus::Interrupted;
    payload.build.provenance.dirty = Reading::of(true);
    payload.cases.truncate(1);
    payload.warnings.push(Warning {
        code: "governor".to_owned(),
        message: "the processor's governor is powersave".to_owned(),
        hint: "set it to performance".to_owned(),
    });
    payload
}
