//! Generations as rows: how long until the first token, how fast the others followed, how much memory that moved.

use crate::result::{CaseRecord, GenerationRecord, Measurement, Reading};

use super::number::{duration_ns, significant};
use super::style::Tone;
use super::table::{Side, Table};
use crate::units::Bytes;

/// What a missing figure looks like.
const NOTHING: &str = "–";

/// The measured generations among `cases`; none where there are none.
pub fn render(cases: &[CaseRecord]) -> Option<String> {
    let mut table = Table::new(&[
        ("generation", Side::Left),
        ("TTFT", Side::Right),
        ("prefill", Side::Right),
        ("per token", Side::Right),
        ("decode", Side::Right),
        ("TBT p99", Side::Right),
        ("moved", Side::Right),
        ("% peak", Side::Right),
        ("runs", Side::Right),
    ]);
    let mut parent = None;
    for case in cases {
        if let (Some(measurement), Some(generation)) = (&case.measurement, &case.generation) {
            let of = case.id.rsplit_once('/').map_or("", |(parent, _)| parent);
            if parent != Some(of) {
                table.group(of);
                parent = Some(of);
            }
            table.toned_row(row(case, measurement, generation).map(|cell| (cell, Tone::Plain)));
        }
    }
    parent.map(|_| table.render())
}

/// What generations took of the GPU beside time; none where no reading told.
pub fn resources(cases: &[CaseRecord]) -> Option<String> {
    let mut table = Table::new(&[
        ("of the GPU", Side::Left),
        ("energy per token", Side::Right),
        ("energy, all runs", Side::Right),
        ("memory in use", Side::Right),
    ]);
    let mut parent = None;
    for case in cases {
        let generation = case.generation.as_ref();
        let Some(resources) = generation.and_then(|found| found.resources.as_ref()) else {
            continue;
        };
        let (energy, memory) = (&resources.decode_energy_j, &resources.memory_peak_bytes);
        if energy.value().is_none() && memory.value().is_none() {
            continue;
        }
        let of = case.id.rsplit_once('/').map_or("", |(parent, _)| parent);
        if parent != Some(of) {
            table.group(of);
            parent = Some(of);
        }
        let joules = |joules| format!("{} J", significant(joules));
        let name = case.id.rsplit('/').next().unwrap_or_default();
        table.row([
            format!("  {name}"),
            shown(&resources.energy_j_per_token, joules),
            shown(energy, joules),
            memory
                .value()
                .map_or(NOTHING.to_owned(), |bytes| Bytes(*bytes).to_string()),
        ]);
    }
    parent.map(|_| table.render())
}

fn row(case: &CaseRecord, measurement: &Measurement, generation: &GenerationRecord) -> [String; 9] {
    let (figures, derived) = (&generation.derived, &measurement.derived);
    let odd = generation.runs.iter().any(|run| !run.findings.is_empty());
    let name = case.id.rsplit('/').next().unwrap_or_default();
    [
        format!("  {name}{}", if odd { " *" } else { "" }),
        duration_ns(figures.ttft_ns),
        format!("{} tok/s", significant(figures.prefill_tokens_per_s)),
        shown(&figures.decode_ns_per_token, duration_ns),
        shown(&figures.decode_tokens_per_s, |rate| {
            format!("{} tok/s", significant(rate))
        }),
        shown(&figures.tbt_p99_ns, duration_ns),
        shown(&derived.bandwidth_gbps, |gbps| {
            format!("{} GB/s", significant(gbps))
        }),
        shown(&derived.percent_of_measured_peak, |share| {
            format!("{share:.1}")
        }),
        generation.runs.len().to_string(),
    ]
}

fn shown(reading: &Reading<f64>, show: impl Fn(f64) -> String) -> String {
    reading
        .value()
        .map_or(NOTHING.to_owned(), |value| show(*value))
}

/// What was odd about generations, one line each.
pub fn oddities(cases: &[CaseRecord]) -> Vec<String> {
    let mut lines = Vec::new();
    for case in cases {
        for run in case
            .generation
            .iter()
            .flat_map(|generation| &generation.runs)
        {
            for finding in &run.findings {
                let line = format!(
                    "{} {}: {}: {}",
                    Tone::Bad.paint("odd:"),
                    case.id,
                    finding.name,
                    finding.message
                );
                if !lines.contains(&line) {
                    lines.push(line);
                }
            }
        }
    }
    lines
}
