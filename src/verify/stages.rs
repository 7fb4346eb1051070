//! Level 2: whether an engine's table of stages fits itself, the case that it stands beside, and the peak of its session. Its
//! times are the engine's own word, so they are bounded and nothing follows from them.

use super::context::Context;
use super::derived::agree;
use super::outcome::{Findings, Outcome};
use crate::result::{
    CaseRecord, DeviceKind, Measurement, Reading, StagePartFigures, StagesFigures, StagesRecord,
};

/// How many times longer or shorter a token of the table may take than those that the harness timed.
const TIMES_AS_LONG: f64 = 2.0;

/// Parts may move this share of the bytes that a token must move: not all of them count norms and the like, and keys and
/// values may have fewer bits than 16.
const SHARE_OF_BYTES: (f64, f64) = (0.4, 1.05);

pub(super) fn table(context: &Context<'_>) -> Outcome {
    let engines = &context.payload.engines;
    context.each_table(|findings, case, _, stages| {
        let generation = case.generation.as_ref();
        let native = engines.iter().any(|engine| {
            engine.driver == "native"
                && generation.is_some_and(|g| g.engine_sha256 == engine.program_sha256)
        });
        let mut expect = |holds: bool, finding: String| {
            findings.expect(holds, || format!("{}: {finding}", case.id));
        };
        let fault = stages.fault();
        expect(fault.is_none(), fault.unwrap_or_default());
        expect(
            native && case.device == DeviceKind::Cuda,
            "only engines of the protocol take a token apart, and only on a GPU".to_owned(),
        );
        let (stated, depth) = (stages.depth_tokens, case.half_way_tokens());
        expect(
            stated == depth,
            format!("the stages are those of {stated} tokens, the case has {depth} half way"),
        );
        let timed = generation.and_then(|g| g.derived.decode_ns_per_token.value());
        let times = timed.map(|timed| stages.token_ns as f64 / timed);
        expect(
            times.is_some_and(|times| (1.0 / TIMES_AS_LONG..=TIMES_AS_LONG).contains(&times)),
            format!(
                "a token of the table takes {} ns, the harness timed {} ns",
                stages.token_ns,
                timed.unwrap_or(&0.0)
            ),
        );
    })
}

pub(super) fn bytes(context: &Context<'_>) -> Outcome {
    context.each_table(|findings, case, measurement, stages| {
        let work = &measurement.work;
        let token = work.bytes_read as f64 + work.bytes_written as f64;
        let parts: f64 = stages.parts.iter().map(|part| part.bytes as f64).sum();
        let (least, most) = SHARE_OF_BYTES;
        findings.expect((least * token..=most * token).contains(&parts), || {
            format!(
                "{}: the parts move {parts:.0} bytes together, a token {token:.0}",
                case.id
            )
        });
    })
}

pub(super) fn figures(context: &Context<'_>) -> Outcome {
    context.each_table(|findings, case, _, stages| {
        let reading = |a: &Reading<f64>, b: &Reading<f64>| match (a.value(), b.value()) {
            (Some(a), Some(b)) => agree(*a, *b),
            _ => a == b,
        };
        for part in &stages.parts {
            let (stated, found) = (&part.derived, StagePartFigures::of(part, &context.peaks));
            for (name, same) in [
                ("each_ns", reading(&stated.each_ns, &found.each_ns)),
                ("in_token_ns", agree(stated.in_token_ns, found.in_token_ns)),
                (
                    "bandwidth_gbps",
                    reading(&stated.bandwidth_gbps, &found.bandwidth_gbps),
                ),
                (
                    "percent_of_measured_peak",
                    reading(
                        &stated.percent_of_measured_peak,
                        &found.percent_of_measured_peak,
                    ),
                ),
            ] {
                findings.expect(same, || {
                    format!(
                        "{}: {}: {name} does not follow from its times and bytes",
                        case.id, part.part
                    )
                });
            }
        }
        let stated = &stages.derived;
        let found = StagesFigures::of(stages.token_ns, &stages.parts, &context.peaks);
        for (name, same) in [
            ("launches", stated.launches == found.launches),
            ("bytes", stated.bytes == found.bytes),
            ("ns", stated.ns == found.ns),
            (
                "bandwidth_gbps",
                reading(&stated.bandwidth_gbps, &found.bandwidth_gbps),
            ),
            (
                "percent_of_measured_peak",
                reading(
                    &stated.percent_of_measured_peak,
                    &found.percent_of_measured_peak,
                ),
            ),
        ] {
            findings.expect(same, || {
                format!("{}: {name} does not follow from the parts", case.id)
            });
        }
    })
}

impl<'a> Context<'a> {
    /// Asks `check` of every table of stages; skipped where there is none.
    fn each_table(
        &self,
        mut check: impl FnMut(&mut Findings, &'a CaseRecord, &'a Measurement, &'a StagesRecord),
    ) -> Outcome {
        let mut findings = Findings::default();
        let mut any = false;
        for (case, measurement, generation) in self.generations() {
            if let Some(stages) = generation.stages.as_ref().and_then(Reading::value) {
                any = true;
                check(&mut findings, case, measurement, stages);
            }
        }
        match any {
            true => findings.outcome(),
            false => Outcome::skipped("no case has a table of stages"),
        }
    }
}
