//! Tokens taken apart as rows: what each part of a model moves, how long it takes alone, and by how much it makes a token slower.

use crate::result::{CaseRecord, Reading, StagesRecord};

use super::number::significant;
use super::style::Tone;
use super::table::{Side, Table};

/// What a missing figure looks like.
const NOTHING: &str = "–";

/// A table for each case that has one.
pub fn render(cases: &[CaseRecord]) -> Vec<String> {
    tables(cases)
        .filter_map(|(case, stages)| Some(table(case, stages.value()?)))
        .collect()
}

/// Why cases that were asked for one have none, one line for each reason.
pub fn missing(cases: &[CaseRecord]) -> Vec<String> {
    let mut lines = Vec::new();
    for reason in tables(cases).filter_map(|(_, stages)| stages.reason()) {
        let line = format!("{} {reason}", Tone::Warning.paint("no stages:"));
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

fn tables(cases: &[CaseRecord]) -> impl Iterator<Item = (&CaseRecord, &Reading<StagesRecord>)> {
    cases
        .iter()
        .filter_map(|case| Some((case, case.generation.as_ref()?.stages.as_ref()?)))
}

fn table(case: &CaseRecord, stages: &StagesRecord) -> String {
    let mut table = Table::new(&[
        ("stages, by the engine's clock", Side::Left),
        ("launches", Side::Right),
        ("MB", Side::Right),
        ("µs each", Side::Right),
        ("µs in all", Side::Right),
        ("µs in token", Side::Right),
        ("GB/s", Side::Right),
        ("% peak", Side::Right),
    ]);
    table.group(&format!("{}, {} tokens deep", case.id, stages.depth_tokens));
    for part in &stages.parts {
        let derived = &part.derived;
        table.row([
            format!("  {}", part.part),
            part.launches.to_string(),
            format!("{:.2}", part.bytes as f64 / 1e6),
            shown(&derived.each_ns, |ns| format!("{:.2}", ns / 1e3)),
            format!("{:.1}", part.ns as f64 / 1e3),
            format!("{:.1}", derived.in_token_ns / 1e3),
            shown(&derived.bandwidth_gbps, significant),
            shown(&derived.percent_of_measured_peak, |share| {
                format!("{share:.1}")
            }),
        ]);
    }
    let all = &stages.derived;
    table.row([
        "  sum".to_owned(),
        all.launches.to_string(),
        format!("{:.2}", all.bytes as f64 / 1e6),
        String::new(),
        format!("{:.1}", all.ns as f64 / 1e3),
        String::new(),
        String::new(),
        String::new(),
    ]);
    table.row([
        "  whole token".to_owned(),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
        format!("{:.1}", stages.token_ns as f64 / 1e3),
        shown(&all.bandwidth_gbps, significant),
        shown(&all.percent_of_measured_peak, |share| format!("{share:.1}")),
    ]);
    table.render()
}

fn shown(reading: &Reading<f64>, show: impl Fn(f64) -> String) -> String {
    reading
        .value()
        .map_or(NOTHING.to_owned(), |value| show(*value))
}
