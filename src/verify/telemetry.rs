//! Level 2: whether the readings during the session are possible.

use std::collections::BTreeSet;

use super::context::Context;
use super::outcome::{Findings, Outcome};
use super::physics::CLOCK_SLACK;

/// Quantities of a GPU with the unit that belongs to them.
const UNITS: [(&str, &str); 8] = [
    ("sm_clock", "MHz"),
    ("memory_clock", "MHz"),
    ("temperature", "C"),
    ("power", "mW"),
    ("energy", "mJ"),
    ("utilisation", "%"),
    ("event_reasons", "bitmask"),
    ("memory_used", "B"),
];

/// No board draws more, in mW.
const BOARD_POWER_MW: f64 = 3e6;

/// How far a counter of energy may be behind.
const ENERGY_STEP_SECONDS: f64 = 0.5;

pub(super) fn times(context: &Context<'_>) -> Outcome {
    let telemetry = &context.payload.telemetry;
    let duration = context.payload.session.duration_ns;
    let mut findings = Findings::default();
    let times = &telemetry.times_ns;
    findings.expect(times.is_sorted_by(|a, b| a < b), || {
        "the times do not rise".to_owned()
    });
    findings.expect(times.last().is_none_or(|last| *last <= duration), || {
        format!("the last reading is later than the session's {duration} ns")
    });
    // Late readings are not made up for, so there are never more than the interval allows.
    let most = duration
        .checked_div(telemetry.interval_ns)
        .map(|n| n.saturating_add(2));
    findings.expect(most.is_some_and(|most| times.len() as u64 <= most), || {
        format!(
            "{} readings {} ns apart in {duration} ns",
            times.len(),
            telemetry.interval_ns
        )
    });
    findings.outcome()
}

pub(super) fn series(context: &Context<'_>) -> Outcome {
    let telemetry = &context.payload.telemetry;
    let mut findings = Findings::default();
    let mut seen = BTreeSet::new();
    for series in &telemetry.series {
        let name = &series.quantity;
        findings.expect(seen.insert((name, &series.source)), || {
            format!("{name} is there twice")
        });
        if let Some((_, unit)) = UNITS.iter().find(|(quantity, _)| quantity == name) {
            findings.expect(series.unit == *unit, || {
                format!("{name}: expected the unit {unit}, found {}", series.unit)
            });
        }
        if let Some(samples) = series.samples.value() {
            findings.expect(samples.len() == telemetry.times_ns.len(), || {
                format!(
                    "{name}: {} readings at {} times",
                    samples.len(),
                    telemetry.times_ns.len()
                )
            });
        }
    }
    findings.outcome()
}

pub(super) fn bounds(context: &Context<'_>) -> Outcome {
    let Some(gpu) = context.payload.machine.gpu.value() else {
        return Outcome::skipped("the session had no GPU");
    };
    let mut findings = Findings::default();
    for series in &context.payload.telemetry.series {
        let most = match series.quantity.as_str() {
            "sm_clock" => gpu.sm_clock_max_khz as f64 / 1e3 * CLOCK_SLACK,
            "memory_clock" => match gpu.memory_clock_max_khz.value() {
                Some(khz) => *khz as f64 / 1e3 * CLOCK_SLACK,
                None => continue,
            },
            "temperature" => 120.0,
            "power" => match gpu.power_limit_mw.value() {
                Some(limit) => *limit as f64 * 1.2,
                None => BOARD_POWER_MW,
            },
            "utilisation" => 100.0,
            // On one memory with the host, the driver counts what the host uses too.
            "memory_used" => {
                gpu.memory_bytes
                    .max(context.payload.machine.host.memory_bytes) as f64
                    * 1.05
            }
            _ => continue,
        };
        let largest = series
            .samples
            .value()
            .and_then(|samples| samples.iter().flatten().max());
        findings.expect(
            largest.is_none_or(|largest| *largest as f64 <= most),
            || {
                format!(
                    "{}: {} {} was read, at most {most} is possible",
                    series.quantity,
                    largest.unwrap_or(&0),
                    series.unit
                )
            },
        );
    }
    let energy = context
        .payload
        .telemetry
        .series
        .iter()
        .find(|series| series.quantity == "energy");
    if let Some(samples) = energy.and_then(|series| series.samples.value()) {
        findings.expect(samples.iter().flatten().is_sorted(), || {
            "energy: the counter went back".to_owned()
        });
        let times = context.payload.telemetry.times_ns.iter();
        let read: Vec<(u64, u64)> = times
            .zip(samples)
            .filter_map(|(time, energy)| Some((*time, (*energy)?)))
            .collect();
        if let (Some(first), Some(last)) = (read.first(), read.last()) {
            let seconds = last.0.saturating_sub(first.0) as f64 / 1e9;
            let millijoules = last.1.saturating_sub(first.1) as f64;
            let most_mw = match gpu.power_limit_mw.value() {
                Some(limit) => *limit as f64 * 1.2,
                None => BOARD_POWER_MW,
            };
            // A counter may advance in steps.
            let most = most_mw * (seconds + ENERGY_STEP_SECONDS);
            findings.expect(millijoules <= most, || {
                format!(
                    "energy: {millijoules} mJ in {seconds:.1} s, at most {most:.0} are possible"
                )
            });
        }
    }
    findings.outcome()
}
