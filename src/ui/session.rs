//! A session as a person reads it: where it ran, its cases, and what must be known about them.

use crate::result::{Payload, SessionStatus};

use super::case_table;
use super::generation_table;
use super::number::{duration_ns, significant};
use super::stage_table;
use super::style::Tone;

/// The whole session in at most 100 columns.
pub fn render(payload: &Payload) -> String {
    let mut parts = vec![heading(payload)];
    parts.extend(case_table::render(&payload.cases));
    parts.extend(generation_table::render(payload));
    parts.extend(generation_table::resources(payload));
    parts.extend(stage_table::render(&payload.cases));
    let mut notes = generation_table::oddities(&payload.cases);
    notes.extend(generation_table::made_up(&payload.cases));
    notes.extend(stage_table::missing(&payload.cases));
    notes.extend(self::notes(payload));
    if !notes.is_empty() {
        parts.push(notes.join("\n"));
    }
    parts.join("\n\n") + "\n"
}

/// The device, what it was measured against, and by which source code.
fn heading(payload: &Payload) -> String {
    let machine = &payload.machine;
    let device = match machine.gpu.value() {
        Some(gpu) => {
            let driver = machine.driver.value();
            let version = driver
                .and_then(|driver| driver.version.value())
                .map_or(String::new(), |version| format!(", driver {version}"));
            // Several may be installed; the one that was loaded counts.
            let library = driver
                .and_then(|driver| driver.libcuda.value())
                .map_or(String::new(), |library| format!(" ({})", library.path));
            format!("{}{version}{library}", gpu.name)
        }
        None => format!(
            "{}, {} logical CPUs; no GPU measured: {}",
            machine.host.cpu_model.value().map_or("CPU", |name| name),
            machine.host.logical_cpus,
            machine.gpu.reason().unwrap_or("no reason given")
        ),
    };
    let session = &payload.session;
    let provenance = &payload.build.provenance;
    let commit = match (provenance.commit.value(), provenance.dirty.value()) {
        (Some(commit), Some(false)) => format!("commit {}", short(commit)),
        (Some(commit), Some(true)) => format!("commit {} with changes", short(commit)),
        (Some(commit), None) => format!("commit {}, unknown if changed", short(commit)),
        (None, _) => "unknown commit".to_owned(),
    };
    let time = duration_ns(session.duration_ns as f64);
    let lines = [
        Tone::Strong.paint(&device),
        format!(
            "{commit}, {}, {time}, seed {}",
            session.started_at, session.seed
        ),
        peaks(payload),
    ];
    lines.join("\n")
}

/// What the two percentages are of.
fn peaks(payload: &Payload) -> String {
    let measured = [
        ("read", "GB/s", &payload.peaks.read_gbps),
        ("fp16", "TOPS", &payload.peaks.fp16_tops),
        ("int8", "TOPS", &payload.peaks.int8_tops),
    ]
    .into_iter()
    .filter_map(|(name, unit, peak)| {
        let value = peak.value()?.value;
        Some(format!("{name} {} {unit}", significant(value)))
    });
    let sheet = [
        ("read", "GB/s", &payload.target.data_sheet_bandwidth_gbps),
        ("fp16", "TOPS", &payload.target.data_sheet_fp16_tops),
        ("int8", "TOPS", &payload.target.data_sheet_int8_tops),
    ]
    .into_iter()
    .filter_map(|(name, unit, figure)| {
        Some(format!("{name} {} {unit}", significant(*figure.value()?)))
    });
    let list = |figures: Vec<String>| match figures.is_empty() {
        true => "none".to_owned(),
        false => figures.join(", "),
    };
    format!(
        "measured peak: {}\ndata sheet:    {}",
        list(measured.collect()),
        list(sheet.collect())
    )
}

/// What a reader must know, one line each.
fn notes(payload: &Payload) -> Vec<String> {
    let mut notes = Vec::new();
    if payload.session.status == SessionStatus::Interrupted {
        let (ended, planned) = (payload.cases.len(), payload.plan.cases.len());
        notes.push(format!(
            "{} {ended} of {planned} cases ended before the signal",
            Tone::Warning.paint("interrupted:")
        ));
    }
    match (
        payload.target.comparable.value(),
        payload.target.comparable.reason(),
    ) {
        (Some(true), _) => {}
        (_, reason) => notes.push(format!(
            "{} {}",
            Tone::Warning.paint("not comparable:"),
            reason.unwrap_or("no reason given")
        )),
    }
    for warning in &payload.warnings {
        notes.push(format!(
            "{} {} ({})",
            Tone::Warning.paint("warning:"),
            warning.message,
            warning.hint
        ));
    }
    notes
}

fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_session_on_a_gpu() {
        let text = plain(&render(&sample::on_gpu()));
        insta::assert_snapshot!(text);
    }

    #[test]
    fn an_interrupted_session_on_the_cpu() {
        let text = plain(&render(&sample::on_cpu()));
        insta::assert_snapshot!(text);
    }

    #[test]
    fn every_line_of_a_table_fits_100_columns() {
        let text = plain(&render(&sample::on_gpu()));
        let text = text.split_once("case ").unwrap().1;
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(100), "{widest:?}\n{text}");
    }
}
