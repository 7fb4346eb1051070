//! Level 2: energy and memory of a generation against the readings that they are from.

use super::context::Context;
use super::derived::agree;
use super::outcome::Outcome;
use crate::result::{Reading, ResourceFigures};

pub(super) fn figures(context: &Context<'_>) -> Outcome {
    let mut stated_by_any = false;
    let outcome = context.each_generation(|findings, case, _, generation| {
        let Some(stated) = &generation.resources else {
            return;
        };
        stated_by_any = true;
        let window = (case.started_ns, case.ended_ns);
        let found = ResourceFigures::of(window, &generation.runs, &context.payload.telemetry);
        let reading = |a: &Reading<f64>, b: &Reading<f64>| match (a.value(), b.value()) {
            (Some(a), Some(b)) => agree(*a, *b),
            _ => a == b,
        };
        for (name, same) in [
            ("energy_from", stated.energy_from == found.energy_from),
            (
                "decode_energy_j",
                reading(&stated.decode_energy_j, &found.decode_energy_j),
            ),
            (
                "energy_j_per_token",
                reading(&stated.energy_j_per_token, &found.energy_j_per_token),
            ),
            (
                "memory_peak_bytes",
                stated.memory_peak_bytes == found.memory_peak_bytes,
            ),
        ] {
            findings.expect(same, || {
                format!("{}: {name} does not follow from the readings", case.id)
            });
        }
    });
    match stated_by_any {
        true => outcome,
        false => Outcome::skipped("no generation states energy and memory"),
    }
}
