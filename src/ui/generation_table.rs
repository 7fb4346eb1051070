//! Generations as rows: how long until the first token, how fast the others followed, how much memory that moved.

use crate::result::{CaseRecord, GenerationRecord, Measurement, Payload, Reading, seed_id};

use super::number::{duration_ns, significant};
use super::style::Tone;
use super::table::{Side, Table};
use crate::units::Bytes;

/// What a missing figure looks like.
const NOTHING: &str = "–";
/// Letters of an engine's name that leave the table its width.
const LONGEST_NAME: usize = 12;

/// The measured generations of a session; none where there are none.
pub fn render(payload: &Payload) -> Option<String> {
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
    for case in &payload.cases {
        if let (Some(measurement), Some(generation)) = (&case.measurement, &case.generation) {
            let of = group(case);
            if parent != Some(of) {
                table.group(of);
                parent = Some(of);
            }
            let name = name(payload, case, generation);
            table.toned_row(row(name, measurement, generation).map(|cell| (cell, Tone::Plain)));
        }
    }
    parent.map(|_| table.render())
}

/// What generations took of the GPU beside time; none where no reading told.
pub fn resources(payload: &Payload) -> Option<String> {
    let mut table = Table::new(&[
        ("of the GPU", Side::Left),
        ("energy per token", Side::Right),
        ("energy, all runs", Side::Right),
        ("memory in use", Side::Right),
    ]);
    let mut parent = None;
    for case in &payload.cases {
        let Some(generation) = &case.generation else {
            continue;
        };
        let Some(resources) = &generation.resources else {
            continue;
        };
        let (energy, memory) = (&resources.decode_energy_j, &resources.memory_peak_bytes);
        if energy.value().is_none() && memory.value().is_none() {
            continue;
        }
        let of = group(case);
        if parent != Some(of) {
            table.group(of);
            parent = Some(of);
        }
        let joules = |joules| format!("{} J", significant(joules));
        table.row([
            name(payload, case, generation),
            shown(&resources.energy_j_per_token, joules),
            shown(energy, joules),
            memory
                .value()
                .map_or(NOTHING.to_owned(), |bytes| Bytes(*bytes).to_string()),
        ]);
    }
    parent.map(|_| table.render())
}

/// What cases have in common that are listed together: one that ran beside another is listed under it.
fn group(case: &CaseRecord) -> &str {
    let id = seed_id(&case.id, &case.labels);
    id.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// The last part of the id, or the name of the engine that ran the same beside.
fn name(payload: &Payload, case: &CaseRecord, generation: &GenerationRecord) -> String {
    if !case.labels.contains_key("beside") {
        let name = case.id.rsplit('/').next().unwrap_or_default();
        return format!("  {name}");
    }
    let mut engines = payload.engines.iter();
    let engine = engines.find(|engine| engine.program_sha256 == generation.engine_sha256);
    let words = engine.map(|engine| engine.name.split_whitespace());
    let name = words
        .and_then(|mut words| words.next())
        .unwrap_or("another");
    format!(
        "    {}",
        name.chars().take(LONGEST_NAME).collect::<String>()
    )
}

fn row(name: String, measurement: &Measurement, generation: &GenerationRecord) -> [String; 9] {
    let (figures, derived) = (&generation.derived, &measurement.derived);
    let odd = generation.runs.iter().any(|run| !run.findings.is_empty());
    [
        format!("{name}{}", if odd { " *" } else { "" }),
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

/// Which contexts the engines made up, in one line; none where they made up none.
pub fn made_up(cases: &[CaseRecord]) -> Option<String> {
    let filled = cases
        .iter()
        .filter(|case| case.generation.is_some() && case.filled_tokens() > 0);
    let ids: Vec<&str> = filled.map(|case| case.id.as_str()).collect();
    (!ids.is_empty()).then(|| {
        format!(
            "{} {}: the engine filled their context, what it chose behind it means nothing",
            Tone::Warning.paint("made up:"),
            ids.join(", ")
        )
    })
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
