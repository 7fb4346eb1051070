//! What a generation took of the device beside time: energy and memory, from the readings of its session. Computed here
//! alone, for `run` and for `verify`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{GenerationRun, Reading, Series, TelemetryRecord};

/// Fewest intervals of the readings that the decoding of all runs must last: an edge between two readings is known to a
/// part of one.
const COUNTER_INTERVALS: u64 = 5;
/// The same for readings of power, which a driver averages over up to a second.
const POWER_INTERVALS: u64 = 20;

/// What the decoding of a case took of the device; `verify` recomputes every field from `telemetry`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceFigures {
    /// The quantity of `telemetry` that energy is from: `energy`, a counter, or `power`, integrated.
    pub energy_from: Reading<String>,
    /// Energy of the GPU from the first token of each run to its last, all runs together, in joules.
    pub decode_energy_j: Reading<f64>,
    /// That over the tokens behind the first of each run.
    pub energy_j_per_token: Reading<f64>,
    /// Most memory of the GPU that was in use during the case, by whomever, in bytes.
    pub memory_peak_bytes: Reading<u64>,
}

impl ResourceFigures {
    /// The figures of a case from `started_ns` to `ended_ns` with these runs.
    pub fn of(
        (started_ns, ended_ns): (u64, u64),
        runs: &[GenerationRun],
        telemetry: &TelemetryRecord,
    ) -> Self {
        let (from, energy) = decode_energy(runs, telemetry);
        let tokens: usize = runs
            .iter()
            .map(|run| run.token_ns.len().saturating_sub(1))
            .sum();
        Self {
            energy_from: match energy.value() {
                Some(_) => Reading::of(from.to_owned()),
                None => energy.clone().map(|_| String::new()),
            },
            energy_j_per_token: energy.clone().map(|joules| joules / tokens.max(1) as f64),
            decode_energy_j: energy,
            memory_peak_bytes: memory_peak(started_ns, ended_ns, telemetry),
        }
    }
}

/// The energy of all runs' decoding in joules, and the quantity that it is from.
fn decode_energy(
    runs: &[GenerationRun],
    telemetry: &TelemetryRecord,
) -> (&'static str, Reading<f64>) {
    let counter = match points(telemetry, "energy") {
        Ok(points) => {
            return (
                "energy",
                of_runs(runs, telemetry, &points, COUNTER_INTERVALS),
            );
        }
        Err(reason) => reason,
    };
    let energy = match points(telemetry, "power") {
        Ok(power) => of_runs(runs, telemetry, &integrated(&power), POWER_INTERVALS),
        Err(_) => Reading::missing(counter),
    };
    ("power", energy)
}

/// Joules between the first and the last token of each run, by a counter of millijoules that is linear between readings.
fn of_runs(
    runs: &[GenerationRun],
    telemetry: &TelemetryRecord,
    counter: &[(u64, f64)],
    intervals: u64,
) -> Reading<f64> {
    let mut spans = Vec::new();
    for run in runs {
        if let (Some(first), Some(last)) = (run.token_ns.first(), run.token_ns.last()) {
            let at = |ns: &u64| run.sent_ns.saturating_add(*ns);
            spans.push((at(first), at(last)));
        }
    }
    let lasted = spans
        .iter()
        .map(|(first, last)| last.saturating_sub(*first))
        .fold(0, u64::saturating_add);
    let needed = telemetry.interval_ns.saturating_mul(intervals);
    if lasted < needed || lasted == 0 {
        let seconds = |ns: u64| ns as f64 / 1e9;
        return Reading::missing(format!(
            "decoding took {:.3} s in all, readings so far apart need {:.3} s",
            seconds(lasted),
            seconds(needed)
        ));
    }
    let mut millijoules = 0.0;
    for (first, last) in spans {
        match (at(counter, first), at(counter, last)) {
            (Some(first), Some(last)) if first <= last => millijoules += last - first,
            (Some(_), Some(_)) => return Reading::missing("the counter went back"),
            _ => return Reading::missing("a run is not between two readings"),
        }
    }
    Reading::of(millijoules / 1e3)
}

/// The readings of a quantity with their times; why there are none.
fn points(telemetry: &TelemetryRecord, quantity: &str) -> Result<Vec<(u64, f64)>, String> {
    let series = series(telemetry, quantity)?;
    let samples = series.samples.value();
    let samples = samples.ok_or_else(|| series.samples.reason().unwrap_or("none").to_owned())?;
    let times = telemetry.times_ns.iter();
    let points = times
        .zip(samples)
        .filter_map(|(time, sample)| Some((*time, (*sample)? as f64)));
    Ok(points.collect())
}

fn series<'a>(telemetry: &'a TelemetryRecord, quantity: &str) -> Result<&'a Series, String> {
    let mut series = telemetry.series.iter();
    let found = series.find(|series| series.quantity == quantity);
    found.ok_or_else(|| format!("the session has no readings of {quantity}"))
}

/// Milliwatts over time as millijoules since the first reading: each interval at the mean of its ends.
fn integrated(power: &[(u64, f64)]) -> Vec<(u64, f64)> {
    let mut sum = 0.0;
    let mut before: Option<(u64, f64)> = None;
    let points = power.iter().map(|&(time, milliwatts)| {
        if let Some((earlier, then)) = before {
            let seconds = time.saturating_sub(earlier) as f64 / 1e9;
            sum += (then + milliwatts) / 2.0 * seconds;
        }
        before = Some((time, milliwatts));
        (time, sum)
    });
    points.collect()
}

/// The counter at a time between two readings.
fn at(counter: &[(u64, f64)], time: u64) -> Option<f64> {
    let behind = counter.partition_point(|(then, _)| *then < time);
    let &(after_ns, after) = counter.get(behind)?;
    if after_ns == time {
        return Some(after);
    }
    let &(before_ns, before) = counter.get(behind.checked_sub(1)?)?;
    // In a forged file times need not rise.
    let passed = time.saturating_sub(before_ns) as f64;
    let between = after_ns.saturating_sub(before_ns) as f64;
    (between > 0.0).then(|| before + passed / between * (after - before))
}

fn memory_peak(started_ns: u64, ended_ns: u64, telemetry: &TelemetryRecord) -> Reading<u64> {
    let series = match series(telemetry, "memory_used") {
        Ok(series) => series,
        Err(reason) => return Reading::missing(reason),
    };
    let peak = series.samples.clone().map(|samples| {
        let times = telemetry.times_ns.iter();
        let within = times
            .zip(samples)
            .filter(|(time, _)| (started_ns..=ended_ns).contains(time));
        within.filter_map(|(_, bytes)| bytes).max()
    });
    match peak.value() {
        Some(None) => Reading::missing("no reading fell into the case"),
        _ => peak.map(Option::unwrap_or_default),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn readings(quantity: &str, samples: Reading<Vec<Option<u64>>>) -> Series {
        Series {
            quantity: quantity.to_owned(),
            unit: String::new(),
            source: "nvml".to_owned(),
            samples,
        }
    }

    /// Readings every 100 ms.
    fn telemetry(series: Vec<Series>) -> TelemetryRecord {
        TelemetryRecord {
            interval_ns: 100 * MS,
            times_ns: (0..30).map(|n| n * 100 * MS).collect(),
            series,
        }
    }

    fn linear(quantity: &str, begin: u64, step: u64) -> Series {
        let samples = (0..30).map(|n| Some(begin + n * step)).collect();
        readings(quantity, Reading::of(samples))
    }

    /// A run of 101 tokens, decoded between two times.
    fn run(first_ms: u64, last_ms: u64) -> GenerationRun {
        let sent_ns = first_ms * MS - 5;
        let gap = (last_ms - first_ms) * MS / 100;
        GenerationRun {
            prompt_ids: Reading::missing("a test"),
            prompt_sha256: String::new(),
            ids: vec![],
            ids_sha256: String::new(),
            routing: vec![],
            sent_ns,
            token_ns: (0..101).map(|n| 5 + n * gap).collect(),
            self_reported: Default::default(),
            findings: vec![],
        }
    }

    #[test]
    fn energy_is_what_the_counter_rose_by_while_tokens_were_decoded() {
        // 40 J in 0.1 s are 400 W; 0.3 s and 0.4 s of it.
        let telemetry = telemetry(vec![linear("energy", 7_000_000, 40_000)]);
        let runs = [run(150, 450), run(510, 910)];
        let figures = ResourceFigures::of((0, 2900 * MS), &runs, &telemetry);
        assert_eq!(figures.energy_from, Reading::of("energy".to_owned()));
        let energy = figures.decode_energy_j.value().unwrap();
        assert!((energy - 280.0).abs() < 1e-6, "{energy}");
        let per_token = figures.energy_j_per_token.value().unwrap();
        assert!((per_token - 1.4).abs() < 1e-9, "{per_token}");
    }

    #[test]
    fn power_stands_in_where_there_is_no_counter() {
        let none = readings(
            "energy",
            Reading::missing("NVML: not supported on this GPU"),
        );
        let constant = linear("power", 250_000, 0);
        let with_power = telemetry(vec![none.clone(), constant]);
        let long = [run(100, 2200)];
        let figures = ResourceFigures::of((0, 2900 * MS), &long, &with_power);
        assert_eq!(figures.energy_from, Reading::of("power".to_owned()));
        let energy = figures.decode_energy_j.value().unwrap();
        assert!((energy - 525.0).abs() < 1e-6, "{energy}");
        // Shorter than what a driver averages over.
        let short = ResourceFigures::of((0, 2900 * MS), &[run(100, 900)], &with_power);
        assert_eq!(
            short.decode_energy_j.reason(),
            Some("decoding took 0.800 s in all, readings so far apart need 2.000 s")
        );
        let neither = ResourceFigures::of((0, 2900 * MS), &long, &telemetry(vec![none]));
        let reason = neither.energy_j_per_token;
        assert_eq!(reason.reason(), Some("NVML: not supported on this GPU"));
    }

    #[test]
    fn energy_that_the_readings_cannot_tell_is_missing_with_a_reason() {
        let reason = |series: Series, runs: &[GenerationRun]| {
            let figures = ResourceFigures::of((0, 1), runs, &telemetry(vec![series]));
            figures.energy_from.reason().map(str::to_owned)
        };
        let reasons = [
            reason(linear("energy", 0, 40_000), &[run(100, 500)]),
            reason(linear("energy", 0, 40_000), &[run(2500, 3100)]),
            reason(linear("energy", 0, 40_000), &[]),
            reason(
                readings(
                    "energy",
                    Reading::of((0..30).map(|n| Some(1000 - n)).collect()),
                ),
                &[run(100, 900)],
            ),
            reason(linear("power", 0, 0), &[run(100, 900)]),
        ];
        insta::assert_debug_snapshot!(reasons);
    }

    #[test]
    fn memory_is_the_most_that_was_read_within_the_case() {
        let of = |from_ms, to_ms, samples: Reading<Vec<Option<u64>>>| {
            let telemetry = telemetry(vec![readings("memory_used", samples)]);
            ResourceFigures::of((from_ms * MS, to_ms * MS), &[], &telemetry).memory_peak_bytes
        };
        let samples = || Reading::of(vec![Some(90), Some(20), None, Some(40), Some(30), Some(80)]);
        assert_eq!(of(100, 400, samples()), Reading::of(40));
        assert_eq!(
            of(150, 250, samples()).reason(),
            Some("no reading fell into the case")
        );
        assert_eq!(
            of(0, 400, Reading::missing("no GPU")).reason(),
            Some("no GPU")
        );
    }
}
