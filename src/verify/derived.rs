//! Level 2: derived figures, each recomputed from the samples by the code that first computed it.

use super::context::Context;
use super::outcome::{Findings, Outcome};
use crate::result::{Derived, Peak, Peaks, Reading};

/// Figures agree when they differ by no more than this, relatively. Equal code on equal samples gives equal bits; the
/// slack is for a build that fuses multiplications and additions.
const AGREEMENT: f64 = 1e-12;

pub(super) fn agree(a: f64, b: f64) -> bool {
    (a - b).abs() <= AGREEMENT * a.abs().max(b.abs())
}

/// A figure `name` of every measured case.
pub(super) fn figure(
    context: &Context<'_>,
    name: &str,
    figure: impl Fn(&Derived) -> f64,
) -> Outcome {
    each(context, name, |stated, recomputed| {
        let (stated, recomputed) = (figure(stated), figure(recomputed));
        (!agree(stated, recomputed)).then(|| (stated.to_string(), recomputed.to_string()))
    })
}

/// A figure `name` of every measured case that may be missing.
pub(super) fn reading(
    context: &Context<'_>,
    name: &str,
    figure: impl Fn(&Derived) -> &Reading<f64>,
) -> Outcome {
    each(context, name, |stated, recomputed| {
        let (stated, recomputed) = (figure(stated), figure(recomputed));
        let same = match (stated.value(), recomputed.value()) {
            (Some(a), Some(b)) => agree(*a, *b),
            _ => stated == recomputed,
        };
        (!same).then(|| (show(stated), show(recomputed)))
    })
}

fn each(
    context: &Context<'_>,
    name: &str,
    difference: impl Fn(&Derived, &Derived) -> Option<(String, String)>,
) -> Outcome {
    let mut findings = Findings::default();
    for (case, recomputed) in context.payload.cases.iter().zip(&context.derived) {
        let Some(measurement) = &case.measurement else {
            continue;
        };
        let difference = match recomputed {
            Some(recomputed) => difference(&measurement.derived, recomputed),
            None => Some((
                "something".to_owned(),
                "nothing, for want of samples".to_owned(),
            )),
        };
        if let Some((stated, recomputed)) = difference {
            findings.expect(false, || {
                format!(
                    "{}: {name}: stated {stated}, recomputed {recomputed}",
                    case.id
                )
            });
        }
    }
    findings.outcome()
}

fn show(reading: &Reading<f64>) -> String {
    match (reading.value(), reading.reason()) {
        (Some(value), _) => value.to_string(),
        (None, reason) => format!("nothing ({})", reason.unwrap_or("no reason")),
    }
}

/// A peak `name` of the session.
pub(super) fn peak(
    context: &Context<'_>,
    name: &str,
    peak: impl Fn(&Peaks) -> &Reading<Peak>,
) -> Outcome {
    let (stated, recomputed) = (peak(&context.payload.peaks), peak(&context.peaks));
    let same = match (stated.value(), recomputed.value()) {
        (Some(a), Some(b)) => a.case == b.case && agree(a.value, b.value),
        _ => stated == recomputed,
    };
    let show = |reading: &Reading<Peak>| match (reading.value(), reading.reason()) {
        (Some(peak), _) => format!("{} of {}", peak.value, peak.case),
        (None, reason) => format!("nothing ({})", reason.unwrap_or("no reason")),
    };
    let mut findings = Findings::default();
    findings.expect(same, || {
        format!(
            "{name}: stated {}, recomputed {}",
            show(stated),
            show(recomputed)
        )
    });
    findings.outcome()
}
