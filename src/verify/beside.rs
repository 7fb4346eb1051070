//! Level 2: whether engines that are said to have run beside each other did: the same prompts, run by run in turn.

use super::context::Context;
use super::outcome::{Findings, Outcome};
use crate::result::{CaseRecord, GenerationRecord, GenerationRun};

pub(super) fn turns(context: &Context<'_>) -> Outcome {
    let cases = &context.payload.cases;
    let mut findings = Findings::default();
    let mut any = false;
    for (index, case) in cases.iter().enumerate() {
        let label = case.labels.get("beside");
        let beside = case.id.split('/').any(|part| part == "beside");
        findings.expect(label.is_some() == beside, || {
            format!(
                "{}: expected the label `beside` if and only if its id says so",
                case.id
            )
        });
        let Some(label) = label else {
            continue;
        };
        any = true;
        let partner = index.checked_sub(1).and_then(|index| cases.get(index));
        let partner = partner.filter(|partner| partner.id == *label && is_beside(case, partner));
        let Some(partner) = partner else {
            findings.expect(false, || {
                format!(
                    "{}: expected {label} in front of it, the same case of another engine",
                    case.id
                )
            });
            continue;
        };
        if let (Some(first), Some(second)) = (&partner.generation, &case.generation) {
            let found = compare(first, second);
            findings.expect(found.is_none(), || {
                format!("{}: {}", case.id, found.unwrap_or_default())
            });
        }
    }
    match any {
        true => findings.outcome(),
        false if findings.is_empty() => Outcome::skipped("no engine ran beside another"),
        false => findings.outcome(),
    }
}

/// Whether `case` is that of the engine beside, and `partner` the same of the other.
fn is_beside(case: &CaseRecord, partner: &CaseRecord) -> bool {
    let (parent, name) = partner.id.rsplit_once('/').unwrap_or(("", &partner.id));
    case.id == format!("{parent}/beside/{name}") && case.sizes == partner.sizes
}

/// What keeps two generations from having been run in turn.
fn compare(first: &GenerationRecord, second: &GenerationRecord) -> Option<String> {
    if first.weights_sha256 != second.weights_sha256 {
        return Some(
            "its weights are other than those of the engine that it ran beside".to_owned(),
        );
    }
    let pairs = first.runs.iter().zip(&second.runs);
    let other = pairs
        .clone()
        .position(|(a, b)| a.prompt_sha256 != b.prompt_sha256);
    if let Some(run) = other {
        return Some(format!(
            "run {run} had another prompt than that of the engine that it ran beside"
        ));
    }
    let mut ended = 0;
    for (run, turn) in pairs.flat_map(|(a, b)| [a, b]).enumerate() {
        if turn.sent_ns < ended {
            return Some(format!("run {} was not in turn", run / 2));
        }
        ended = end(turn);
    }
    None
}

fn end(run: &GenerationRun) -> u64 {
    let last = run.token_ns.last().copied().unwrap_or(0);
    run.sent_ns.saturating_add(last)
}
