//! Level 2: whether the times of each case fit each other: its window, warm-up, stopping and discards.

use super::context::Context;
use super::outcome::{Findings, Outcome};
use crate::result::{CaseRecord, Measurement, StoppingReason};
use crate::stats::relative_standard_error;

pub(super) fn window(context: &Context<'_>) -> Outcome {
    let mut findings = Findings::default();
    let (mut before, mut last): (u64, Option<&CaseRecord>) = (0, None);
    for case in &context.payload.cases {
        // Cases that are run in turn share their time.
        let beside = last.filter(|last| case.labels.get("beside") == Some(&last.id));
        let least = beside.map_or(before, |last| last.started_ns);
        findings.expect(
            least <= case.started_ns && case.started_ns <= case.ended_ns,
            || {
                format!(
                    "{}: {} to {} ns is no time after the case before, from {least} ns on",
                    case.id, case.started_ns, case.ended_ns
                )
            },
        );
        before = before.max(case.ended_ns);
        last = Some(case);
        if let Some(measurement) = &case.measurement {
            let parts = [
                measurement.warmup.duration_ns,
                measurement.stopping.duration_ns,
            ];
            let parts: u128 = parts.map(u128::from).iter().sum();
            let window = case.ended_ns.saturating_sub(case.started_ns);
            findings.expect(parts <= u128::from(window), || {
                format!(
                    "{}: warm-up and sampling took {parts} ns, the whole case {window} ns",
                    case.id
                )
            });
        }
    }
    let duration = context.payload.session.duration_ns;
    findings.expect(before <= duration, || {
        format!("the last case ended at {before} ns, the session at {duration} ns")
    });
    findings.outcome()
}

pub(super) fn warmup(context: &Context<'_>) -> Outcome {
    context.each_measured(|findings, case, measurement| {
        let warmup = &measurement.warmup;
        let fastest = measurement.samples_ns.iter().min().copied().unwrap_or(0);
        // Runs before the steady state are not faster than half the fastest sample.
        let least = u128::from(warmup.samples) * u128::from(fastest) / 2;
        findings.expect(
            warmup.samples > 0 && least <= u128::from(warmup.duration_ns),
            || {
                format!(
                    "{}: {} warm-up runs in {} ns do not fit samples of {fastest} ns and more",
                    case.id, warmup.samples, warmup.duration_ns
                )
            },
        );
    })
}

pub(super) fn stopping(context: &Context<'_>) -> Outcome {
    context.each_measured(|findings, case, measurement| {
        let (rule, reason) = (&measurement.stopping.rule, measurement.stopping.reason);
        let count = measurement.samples_ns.len() as u64;
        let timed = timed_ns(measurement);
        let duration = measurement.stopping.duration_ns;
        let mut expect = |holds: bool, finding: String| {
            findings.expect(holds, || format!("{}: {finding}", case.id));
        };
        let sane = rule.relative_error > 0.0
            && rule.relative_error < 0.5
            && rule.min_samples > 0
            && rule.min_samples <= rule.max_samples
            && rule.min_time_ns <= rule.max_time_ns;
        expect(sane, format!("the rule cannot be kept: {rule:?}"));
        expect(
            count <= rule.max_samples,
            format!("{count} samples, at most {} allowed", rule.max_samples),
        );
        // Device and host clocks differ by parts per million; 1 % is far beyond.
        expect(
            timed as f64 <= duration as f64 * 1.01,
            format!("samples took {timed} ns, sampling {duration} ns"),
        );
        let enough = count >= rule.min_samples;
        match reason {
            StoppingReason::Converged => {
                let error = relative_standard_error(&measurement.samples_ns);
                let reached = error.is_some_and(|error| error <= rule.relative_error);
                expect(
                    reached,
                    format!("converged at {}, found {error:?}", rule.relative_error),
                );
                expect(
                    enough,
                    format!(
                        "converged with {count} samples, at least {} needed",
                        rule.min_samples
                    ),
                );
                let least = u128::from(rule.min_time_ns);
                expect(
                    timed >= least,
                    format!("converged after {timed} ns, at least {least} needed"),
                );
            }
            StoppingReason::SampleLimit => {
                expect(
                    count == rule.max_samples,
                    format!("the limit of {} samples with {count}", rule.max_samples),
                );
            }
            StoppingReason::Fixed => {
                expect(
                    count == rule.max_samples && count == rule.min_samples,
                    format!("{count} samples where {} were planned", rule.max_samples),
                );
            }
            StoppingReason::TimeLimit => {
                // Discards prolong the loop while samples are few.
                let least = rule.max_time_ns;
                expect(
                    duration >= least,
                    format!("the limit of {least} ns after {duration} ns"),
                );
            }
        }
    })
}

/// Time of all samples, also of those that do not count.
fn timed_ns(measurement: &Measurement) -> u128 {
    let discards = measurement
        .discards
        .iter()
        .map(|discard| discard.duration_ns);
    let samples = measurement.samples_ns.iter().copied();
    samples.chain(discards).map(u128::from).sum()
}

pub(super) fn discards(context: &Context<'_>) -> Outcome {
    context.each_measured(|findings, case, measurement| {
        let places = || {
            measurement
                .discards
                .iter()
                .map(|discard| discard.after_samples)
        };
        let count = measurement.samples_ns.len() as u64;
        findings.expect(
            places().is_sorted() && places().all(|place| place <= count),
            || {
                format!(
                    "{}: discards are not in order among {count} samples",
                    case.id
                )
            },
        );
    })
}
