//! The figures that follow from what was recorded, computed here alone, for `run` and for `verify`.

use std::collections::BTreeMap;

use super::{
    CaseKind, CaseRecord, Derived, Measurement, Payload, Peak, Peaks, PlanRecord, PlannedCase,
    Reading, ResourceFigures, TargetRecord, Work,
};
use crate::build_info::sha256_hex;
use crate::stats::{Summary, ascending, median};

/// What the derived figures of a case follow from.
#[derive(Debug, Clone, Copy)]
pub struct Basis<'a> {
    /// What the case measures.
    pub kind: CaseKind,
    /// Its labels; `precision` names the peak of a throughput.
    pub labels: &'a BTreeMap<String, String>,
    /// Work of one operation.
    pub work: Work,
    /// Operations in one sample.
    pub operations_per_sample: u64,
    /// The samples, in ns.
    pub samples_ns: &'a [u64],
}

impl<'a> Basis<'a> {
    /// The basis of a recorded case.
    pub fn of(case: &'a CaseRecord, measurement: &'a Measurement) -> Self {
        Self {
            kind: case.kind,
            labels: &case.labels,
            work: measurement.work,
            operations_per_sample: measurement.operations_per_sample,
            samples_ns: &measurement.samples_ns,
        }
    }

    /// Median time of one operation; None when there are no samples or no operations in them.
    pub fn per_operation_ns(&self) -> Option<f64> {
        let median = median(&ascending(self.samples_ns))?;
        (self.operations_per_sample > 0).then_some(median / self.operations_per_sample as f64)
    }

    /// (bytes read + bytes written) / `per_operation_ns`: bytes per nanosecond are 10^9 bytes per second.
    fn bandwidth_gbps(&self, per_operation_ns: f64) -> Reading<f64> {
        let bytes = self.work.bytes_read as f64 + self.work.bytes_written as f64;
        match (bytes > 0.0, per_operation_ns > 0.0) {
            (false, _) => Reading::missing("the case moves no bytes"),
            (true, false) => Reading::missing("the median is 0 ns"),
            (true, true) => Reading::of(bytes / per_operation_ns),
        }
    }

    /// Operations / `per_operation_ns` / 1000: operations per nanosecond are 10^9 per second.
    fn throughput_tops(&self, per_operation_ns: f64) -> Reading<f64> {
        match (self.work.operations > 0, per_operation_ns > 0.0) {
            (false, _) => Reading::missing("the case computes nothing"),
            (true, false) => Reading::missing("the median is 0 ns"),
            (true, true) => Reading::of(self.work.operations as f64 / per_operation_ns / 1e3),
        }
    }
}

/// Every derived figure of a case; None when there are no samples or no operations in them.
pub fn derive(basis: &Basis<'_>, peaks: &Peaks, target: &TargetRecord) -> Option<Derived> {
    let summary = Summary::of(basis.samples_ns)?;
    if basis.operations_per_sample == 0 {
        return None;
    }
    let operations = basis.operations_per_sample as f64;
    let per_operation_ns = summary.median / operations;
    let bandwidth_gbps = basis.bandwidth_gbps(per_operation_ns);
    let throughput_tops = basis.throughput_tops(per_operation_ns);
    let percent_of =
        |measured: &Reading<Peak>, data_sheet: &Reading<f64>, figure: &Reading<f64>| {
            let peak = measured.clone().map(|peak| peak.value);
            (percent(figure, &peak), percent(figure, data_sheet))
        };
    let (percent_of_measured_peak, percent_of_data_sheet) = match basis.kind {
        CaseKind::Latency => {
            let none = Reading::missing("a latency has no peak");
            (none.clone(), none)
        }
        CaseKind::Bandwidth | CaseKind::Generation => percent_of(
            &peaks.read_gbps,
            &target.data_sheet_bandwidth_gbps,
            &bandwidth_gbps,
        ),
        CaseKind::Throughput => match basis.labels.get("precision").map(String::as_str) {
            Some("fp16") => percent_of(
                &peaks.fp16_tops,
                &target.data_sheet_fp16_tops,
                &throughput_tops,
            ),
            Some("int8") => percent_of(
                &peaks.int8_tops,
                &target.data_sheet_int8_tops,
                &throughput_tops,
            ),
            _ => {
                let none = Reading::missing("the label `precision` is neither fp16 nor int8");
                (none.clone(), none)
            }
        },
    };
    Some(Derived {
        samples: summary.count,
        min_ns: summary.min,
        median_ns: summary.median,
        max_ns: summary.max,
        mad_ns: summary.mad,
        p50_ns: per_operation_ns,
        p90_ns: summary.p90 / operations,
        p99_ns: summary.p99 / operations,
        median_low_ns: summary.median_low,
        median_high_ns: summary.median_high,
        per_operation_ns,
        bandwidth_gbps,
        throughput_tops,
        percent_of_measured_peak,
        percent_of_data_sheet,
    })
}

/// `figure` in per cent of `peak`, or why there is none.
pub(super) fn percent(figure: &Reading<f64>, peak: &Reading<f64>) -> Reading<f64> {
    match (figure.value(), peak.value()) {
        (Some(figure), Some(peak)) if *peak > 0.0 => Reading::of(100.0 * figure / peak),
        (Some(_), Some(_)) => Reading::missing("the peak is not above 0"),
        (Some(_), None) => Reading::missing(peak.reason().unwrap_or("no peak")),
        (None, _) => Reading::missing(figure.reason().unwrap_or("no figure")),
    }
}

impl Peaks {
    /// No peaks, because of `reason`.
    pub fn missing(reason: &str) -> Self {
        Self {
            read_gbps: Reading::missing(reason),
            fp16_tops: Reading::missing(reason),
            int8_tops: Reading::missing(reason),
        }
    }

    /// The peaks that `cases` measured, from their samples: per label `peak` the largest headline figure, the first
    /// of equal ones.
    pub fn of(cases: &[CaseRecord]) -> Self {
        Self {
            read_gbps: peak(cases, "read", |basis, ns| basis.bandwidth_gbps(ns)),
            fp16_tops: peak(cases, "fp16", |basis, ns| basis.throughput_tops(ns)),
            int8_tops: peak(cases, "int8", |basis, ns| basis.throughput_tops(ns)),
        }
    }
}

fn peak(
    cases: &[CaseRecord],
    label: &str,
    headline: impl Fn(&Basis<'_>, f64) -> Reading<f64>,
) -> Reading<Peak> {
    let mut best: Option<Peak> = None;
    for case in cases {
        let labelled = case.labels.get("peak").is_some_and(|peak| peak == label);
        let Some(measurement) = case.measurement.as_ref().filter(|_| labelled) else {
            continue;
        };
        let basis = Basis::of(case, measurement);
        let figure = basis.per_operation_ns().map(|ns| headline(&basis, ns));
        if let Some(value) = figure.as_ref().and_then(Reading::value)
            && best.as_ref().is_none_or(|best| *value > best.value)
        {
            best = Some(Peak {
                case: case.id.clone(),
                value: *value,
            });
        }
    }
    let reason = format!("no measured case is labelled `peak: {label}`");
    Reading::from_option(best, &reason)
}

impl Payload {
    /// Sets the peaks and every derived figure from the samples. A session ends with this, since the peaks are known
    /// only then.
    pub fn derive(&mut self) {
        self.peaks = Peaks::of(&self.cases);
        for case in &mut self.cases {
            let Some(measurement) = &case.measurement else {
                continue;
            };
            let derived = derive(&Basis::of(case, measurement), &self.peaks, &self.target);
            if let (Some(measurement), Some(derived)) = (&mut case.measurement, derived) {
                measurement.derived = derived;
            }
            if let Some(generation) = &mut case.generation {
                let weights = self
                    .weights
                    .iter()
                    .find(|weights| weights.sha256 == generation.weights_sha256);
                let experts = weights.map_or(0, |weights| weights.experts);
                if let Some(figures) = generation.figures(experts) {
                    generation.derived = figures;
                }
                let window = (case.started_ns, case.ended_ns);
                let resources = ResourceFigures::of(window, &generation.runs, &self.telemetry);
                generation.resources = Some(resources);
                if let Some(stages) = &mut generation.stages {
                    let peaks = &self.peaks;
                    *stages = stages.clone().map(|mut stages| {
                        stages.derive(peaks);
                        stages
                    });
                }
            }
        }
    }
}

impl PlanRecord {
    /// The digest of a plan: SHA-256 of the line `<id> <bytes_per_operation>\n` of every case in order.
    pub fn digest(cases: &[PlannedCase]) -> String {
        let line = |case: &PlannedCase| format!("{} {}\n", case.id, case.bytes_per_operation);
        let text: String = cases.iter().map(line).collect();
        sha256_hex(text.as_bytes())
    }
}

/// The id that a case's inputs are seeded by: its own, or that of the case which it is run beside, so that both have the same.
pub fn seed_id<'a>(id: &'a str, labels: &'a BTreeMap<String, String>) -> &'a str {
    labels.get("beside").map_or(id, String::as_str)
}

/// The seed of a case's inputs: the first 16 hex digits of SHA-256 of `<session seed> <case id>`.
pub fn case_seed(session_seed: &str, case_id: &str) -> String {
    let mut digest = sha256_hex(format!("{session_seed} {case_id}").as_bytes());
    digest.truncate(16);
    digest
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn basis<'a>(
        kind: CaseKind,
        samples_ns: &'a [u64],
        labels: &'a BTreeMap<String, String>,
    ) -> Basis<'a> {
        Basis {
            kind,
            labels,
            work: Work {
                bytes_read: 3000,
                bytes_written: 1000,
                operations: 8000,
            },
            operations_per_sample: 2,
            samples_ns,
        }
    }

    // Median 40 ns for 2 operations of 4000 bytes and 8000 arithmetic operations: 20 ns each, 200 bytes per ns,
    // 400 operations per ns.
    #[test]
    fn figures_follow_from_samples_and_work() {
        let labels = BTreeMap::from([("precision".to_owned(), "int8".to_owned())]);
        let mut peaks = Peaks::missing("none");
        let mut target = sample::h100().target;
        let peak = |value| {
            Reading::of(Peak {
                case: "x".to_owned(),
                value,
            })
        };
        peaks.read_gbps = peak(400.0);
        peaks.int8_tops = peak(1.6);
        target.data_sheet_bandwidth_gbps = Reading::of(800.0);
        target.data_sheet_int8_tops = Reading::of(0.8);
        let of = |kind| derive(&basis(kind, &[60, 40, 20], &labels), &peaks, &target).unwrap();

        let bandwidth = of(CaseKind::Bandwidth);
        assert_eq!(
            (
                bandwidth.samples,
                bandwidth.median_ns,
                bandwidth.per_operation_ns
            ),
            (3, 40.0, 20.0)
        );
        assert_eq!(bandwidth.bandwidth_gbps, Reading::of(200.0));
        assert_eq!(bandwidth.throughput_tops, Reading::of(0.4));
        assert_eq!(bandwidth.percent_of_measured_peak, Reading::of(50.0));
        assert_eq!(bandwidth.percent_of_data_sheet, Reading::of(25.0));

        let throughput = of(CaseKind::Throughput);
        assert_eq!(throughput.percent_of_measured_peak, Reading::of(25.0));
        assert_eq!(throughput.percent_of_data_sheet, Reading::of(50.0));

        let latency = of(CaseKind::Latency);
        assert_eq!(
            latency.percent_of_measured_peak.reason(),
            Some("a latency has no peak")
        );
    }

    #[test]
    fn what_does_not_follow_is_missing_with_a_reason() {
        let labels = BTreeMap::new();
        let (peaks, target) = (Peaks::missing("not measured"), sample::cpu().target);
        let reasons = |basis: &Basis<'_>| {
            let derived = derive(basis, &peaks, &target).unwrap();
            [
                derived.bandwidth_gbps,
                derived.throughput_tops,
                derived.percent_of_measured_peak,
                derived.percent_of_data_sheet,
            ]
            .map(|reading| reading.reason().map(str::to_owned))
        };
        let mut idle = basis(CaseKind::Bandwidth, &[7], &labels);
        idle.work = Work {
            bytes_read: 0,
            bytes_written: 0,
            operations: 0,
        };
        insta::assert_debug_snapshot!([
            reasons(&idle),
            reasons(&basis(CaseKind::Bandwidth, &[0], &labels)),
            reasons(&basis(CaseKind::Bandwidth, &[7], &labels)),
            reasons(&basis(CaseKind::Throughput, &[7], &labels)),
        ]);
        assert_eq!(
            derive(&basis(CaseKind::Latency, &[], &labels), &peaks, &target),
            None
        );
        idle.operations_per_sample = 0;
        assert_eq!(derive(&idle, &peaks, &target), None);
    }

    #[test]
    fn a_peak_is_the_best_case_of_its_label() {
        let mut payload = sample::h100();
        let read = payload.peaks.read_gbps.value().unwrap();
        assert_eq!(read.case, "memory/read");
        let label = ("peak".to_owned(), "read".to_owned());
        let warm = payload
            .cases
            .iter_mut()
            .find(|case| case.id == "memory/l2/4MiB");
        warm.unwrap().labels.extend([label]);
        payload.derive();
        assert_eq!(
            payload.peaks.read_gbps.value().unwrap().case,
            "memory/l2/4MiB"
        );
        assert_eq!(
            Peaks::of(&[]).int8_tops.reason(),
            Some("no measured case is labelled `peak: int8`")
        );
    }

    // printf '5eed memory/read' | sha256sum; printf 'a 1\nb/c 22\n' | sha256sum
    #[test]
    fn seeds_and_plan_digests_are_those_of_sha256sum() {
        assert_eq!(case_seed("5eed", "memory/read"), "a34347b4a6e6f7aa");
        let case = |id: &str, bytes_per_operation| PlannedCase {
            id: id.to_owned(),
            bytes_per_operation,
            memory_bytes: 0,
            estimate_ns: 0,
        };
        assert_eq!(
            PlanRecord::digest(&[case("a", 1), case("b/c", 22)]),
            "2c80cc4cff93df5ecd2b8fc0021d021c959167f40a347119178cae5ad6b35909"
        );
    }
}
