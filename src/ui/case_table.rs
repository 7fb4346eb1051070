//! Cases as rows under what they have in common. A long series over one size becomes a compact curve.

use crate::result::{
    CaseKind, CaseRecord, CaseStatus, Derived, Measurement, Reading, StoppingReason,
};

use super::number::{duration_ns, significant};
use super::style::Tone;
use super::table::{Side, Table};

/// A series with at least this many cases is shown as a curve.
const CURVE_CASES: usize = 8;

/// State of a case whose median is as sure as the stopping rule asks.
const SETTLED: &str = "ok";

/// The same of a case whose figure another process may find elsewhere (its label `steady`).
const SETTLED_HERE: &str = "ok here";

/// What that state says, below the table.
const HERE: &str =
    "ok here: stands still in a process, and in the next one may differ by some per cent";

/// What a missing figure looks like.
const NOTHING: &str = "–";

/// All cases but generations with figures, then the reasons of those that have none.
pub fn render(cases: &[CaseRecord]) -> Option<String> {
    let mut table = Table::new(&[
        ("case", Side::Left),
        ("p50", Side::Right),
        ("p90", Side::Right),
        ("p99", Side::Right),
        ("rate", Side::Right),
        ("% peak", Side::Right),
        ("% sheet", Side::Right),
        ("n", Side::Right),
        ("state", Side::Left),
    ]);
    let shown: Vec<&CaseRecord> = cases
        .iter()
        .filter(|case| case.generation.is_none())
        .collect();
    let (curves, groups): (Vec<_>, Vec<_>) = groups(&shown).into_iter().partition(Group::is_curve);
    for group in &groups {
        table.group(group.parent);
        for case in &group.cases {
            table.toned_row(row(case));
        }
    }
    let mut parts: Vec<String> = Vec::new();
    if !groups.is_empty() {
        parts.push(table.render());
    }
    parts.extend(curves.iter().map(curve));
    if shown.iter().any(|case| state(case).0 == SETTLED_HERE) {
        parts.push(Tone::Faint.paint(HERE));
    }
    let reasons: Vec<String> = cases.iter().filter_map(reason).collect();
    if !reasons.is_empty() {
        parts.push(reasons.join("\n"));
    }
    (!shown.is_empty()).then(|| parts.join("\n\n"))
}

/// Cases whose ids differ in the last part, in the order run.
struct Group<'a> {
    parent: &'a str,
    cases: Vec<&'a CaseRecord>,
}

impl Group<'_> {
    fn is_curve(&self) -> bool {
        let is_point = |case: &&CaseRecord| {
            case.measurement.is_some()
                && split(&case.id).1.starts_with(|c: char| c.is_ascii_digit())
        };
        self.cases.len() >= CURVE_CASES && self.cases.iter().all(is_point)
    }
}

fn groups<'a>(cases: &[&'a CaseRecord]) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for &case in cases {
        let (parent, _) = split(&case.id);
        match groups.iter_mut().find(|group| group.parent == parent) {
            Some(group) => group.cases.push(case),
            None => groups.push(Group {
                parent,
                cases: vec![case],
            }),
        }
    }
    groups
}

/// An id's parent and its last part.
fn split(id: &str) -> (&str, &str) {
    id.rsplit_once('/').unwrap_or(("", id))
}

fn row(case: &CaseRecord) -> Vec<(String, Tone)> {
    let mut cells = vec![(format!("  {}", split(&case.id).1), Tone::Plain)];
    let (state, tone) = state(case);
    match &case.measurement {
        Some(measurement) => {
            let derived = &measurement.derived;
            let figures = [
                duration_ns(derived.p50_ns),
                duration_ns(derived.p90_ns),
                duration_ns(derived.p99_ns),
                rate(case.kind, derived),
                share(&derived.percent_of_measured_peak),
                share(&derived.percent_of_data_sheet),
                derived.samples.to_string(),
            ];
            cells.extend(figures.map(|figure| (figure, Tone::Plain)));
        }
        None => cells.extend((0..7).map(|_| (NOTHING.to_owned(), Tone::Faint))),
    }
    cells.push((state.to_owned(), tone));
    cells
}

/// The headline figure of a bandwidth or throughput; a latency's is its p50.
fn rate(kind: CaseKind, derived: &Derived) -> String {
    let (reading, unit) = match kind {
        CaseKind::Bandwidth | CaseKind::Generation => (&derived.bandwidth_gbps, "GB/s"),
        CaseKind::Throughput => (&derived.throughput_tops, "TOPS"),
        CaseKind::Latency => return NOTHING.to_owned(),
    };
    match reading.value() {
        Some(value) => format!("{} {unit}", significant(*value)),
        None => NOTHING.to_owned(),
    }
}

fn share(reading: &Reading<f64>) -> String {
    reading
        .value()
        .map_or(NOTHING.to_owned(), |value| format!("{value:.1}"))
}

fn state(case: &CaseRecord) -> (&'static str, Tone) {
    match (case.status, &case.measurement) {
        (CaseStatus::Measured, Some(measurement)) => measured_state(case, measurement),
        (CaseStatus::Measured, None) => ("no measurement", Tone::Bad),
        (CaseStatus::Skipped, _) => ("skipped", Tone::Warning),
        (CaseStatus::Wrong, _) => ("wrong", Tone::Bad),
        (CaseStatus::Failed, _) => ("failed", Tone::Bad),
        (CaseStatus::Invalid, _) => ("invalid", Tone::Bad),
        (CaseStatus::InfraError, _) => ("not run", Tone::Bad),
    }
}

fn measured_state(case: &CaseRecord, measurement: &Measurement) -> (&'static str, Tone) {
    let settled = match case.labels.contains_key("steady") {
        true => SETTLED_HERE,
        false => SETTLED,
    };
    match measurement.stopping.reason {
        StoppingReason::Converged | StoppingReason::Fixed => (settled, Tone::Good),
        StoppingReason::SampleLimit | StoppingReason::TimeLimit => ("unsettled", Tone::Warning),
    }
}

fn is_settled(case: &CaseRecord) -> bool {
    [SETTLED, SETTLED_HERE].contains(&state(case).0)
}

fn reason(case: &CaseRecord) -> Option<String> {
    let (state, tone) = state(case);
    match case.status {
        CaseStatus::Measured => None,
        _ => Some(format!(
            "{} {}: {}",
            tone.paint(state),
            case.id,
            case.reason.as_deref().unwrap_or("no reason given")
        )),
    }
}

/// Size and headline in at most four columns of pairs, read downwards; `*` where a case did not settle.
fn curve(group: &Group<'_>) -> String {
    let lines = group.cases.len().div_ceil(4);
    let columns = group.cases.len().div_ceil(lines);
    let headings: Vec<(&str, Side)> = (0..columns)
        .flat_map(|_| [("size", Side::Right), ("median", Side::Right)])
        .collect();
    let mut table = Table::new(&headings);
    for line in 0..lines {
        let mut cells: Vec<String> = (0..columns)
            .filter_map(|column| group.cases.get(column * lines + line))
            .flat_map(|case| point(case))
            .collect();
        cells.resize(headings.len(), String::new());
        table.row(cells);
    }
    let settled = group.cases.iter().all(|case| is_settled(case));
    let note = if settled { "" } else { "\n* unsettled" };
    let title = Tone::Strong.paint(group.parent);
    format!("{title}\n{}{note}", table.render())
}

fn point(case: &CaseRecord) -> [String; 2] {
    let (_, size) = split(&case.id);
    let figure = match (&case.measurement, case.kind) {
        (None, _) => NOTHING.to_owned(),
        (Some(m), CaseKind::Latency) => duration_ns(m.derived.per_operation_ns),
        (Some(m), kind) => rate(kind, &m.derived),
    };
    let mark = if is_settled(case) { "" } else { "*" };
    [size.to_owned(), format!("{figure}{mark}")]
}
