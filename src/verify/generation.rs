//! Level 2: whether what an engine generated fits its prompt, its weights, its times and itself.

use std::collections::BTreeSet;

use super::context::Context;
use super::derived::agree;
use super::outcome::{Findings, Outcome, Status};
use crate::result::{
    CaseKind, CaseRecord, CaseStatus, GenerationFigures, GenerationRecord, Measurement, Reading,
    RoutingRecord, StoppingReason, WarmupReason, WeightsRecord, ids_sha256, traced_steps,
};

/// Prompts up to this length are in the result id by id.
const INLINE_IDS: u64 = 4096;

fn weights_of<'a>(
    context: &Context<'a>,
    generation: &GenerationRecord,
) -> Option<&'a WeightsRecord> {
    let weights = context.payload.weights.iter();
    weights
        .filter(|weights| weights.model == generation.model)
        .find(|weights| weights.sha256 == generation.weights_sha256)
}

/// What the label `fill` must say.
fn filling(case: &CaseRecord) -> &'static str {
    match case.sizes.get("filled_tokens") {
        // Nothing that was made up is no size.
        Some(1..) => "synthetic",
        Some(0) => "no made up context of 0 tokens",
        None => "prompt",
    }
}

pub(super) fn case(context: &Context<'_>) -> Outcome {
    let mut findings = Findings::default();
    for case in &context.payload.cases {
        let wanted = case.kind == CaseKind::Generation && case.status == CaseStatus::Measured;
        findings.expect(case.generation.is_some() == wanted, || {
            format!(
                "{}: expected a generation if and only if one was measured",
                case.id
            )
        });
    }
    for (case, measurement, generation) in context.generations() {
        let mut expect = |holds: bool, finding: &str| {
            findings.expect(holds, || format!("{}: {finding}", case.id));
        };
        expect(
            weights_of(context, generation).is_some(),
            "its weights are not among the session's",
        );
        let engines = &context.payload.engines;
        expect(
            engines
                .iter()
                .any(|engine| engine.program_sha256 == generation.engine_sha256),
            "its engine is not among the session's",
        );
        let models = &context.payload.target.models;
        expect(
            models.iter().any(|model| model.name == generation.model),
            "its model is not among the target's",
        );
        expect(
            generation.witness == case.id.ends_with("/witness"),
            "only the case of that name is the witness",
        );
        let first = generation.runs.first();
        expect(
            case.filled_tokens() == 0 || !generation.witness,
            "the witness's context is made up, so that nobody can repeat it",
        );
        let new_tokens = first.map_or(0, |run| run.ids.len() as u64);
        let context_tokens = [generation.prompt.tokens, new_tokens]
            .into_iter()
            .fold(case.filled_tokens(), u64::saturating_add);
        let context = case.sizes.get("context_tokens");
        expect(
            context.is_none_or(|stated| *stated == context_tokens),
            &format!("sizes.context_tokens is not {context_tokens}, all tokens together"),
        );
        let sizes = [
            ("prompt_tokens", generation.prompt.tokens),
            ("new_tokens", new_tokens),
            ("runs", generation.runs.len() as u64),
        ];
        for (name, found) in sizes {
            expect(
                case.sizes.get(name) == Some(&found),
                &format!("sizes.{name} is not {found}"),
            );
        }
        let labels = [
            ("sampling", Some("greedy")),
            ("fill", Some(filling(case))),
            ("replay", generation.witness.then_some("cpu")),
        ];
        for (name, wanted) in labels {
            expect(
                case.labels.get(name).map(String::as_str) == wanted,
                &format!("labels.{name} is not {}", wanted.unwrap_or("absent")),
            );
        }
        expect(
            measurement.inputs.generator == generation.prompt.generator,
            "inputs and prompt name different generators",
        );
        let check = &measurement.check;
        expect(
            first.is_some_and(|run| run.ids_sha256 == check.expected_sha256),
            "the check is not of the first run's ids",
        );
    }
    findings.outcome()
}

/// Whether what stood in front of the tokens can be made again, for whoever wants to compute them.
pub(super) fn fill(context: &Context<'_>) -> Outcome {
    let mut made_up = Vec::new();
    let outcome = context.each_generation(|_, case, _, _| {
        if case.filled_tokens() > 0 {
            made_up.push(case);
        }
    });
    match &made_up[..] {
        [] => outcome,
        cases => Outcome {
            status: Status::Skipped,
            details: cases.iter().map(|case| unrepeatable(case)).collect(),
        },
    }
}

fn unrepeatable(case: &CaseRecord) -> String {
    format!(
        "{}: the engine made up {} tokens of its context, so no replay can tell whether what it chose behind them is right",
        case.id,
        case.filled_tokens()
    )
}

pub(super) fn prompt(context: &Context<'_>) -> Outcome {
    context.each_generation(|findings, case, _, generation| {
        let prompt = &generation.prompt;
        let mut expect = |holds: bool, finding: &str| {
            findings.expect(holds, || format!("{}: {finding}", case.id));
        };
        expect(prompt.tokens > 0, "prompts of no tokens");
        let inline = prompt.tokens <= INLINE_IDS;
        expect(inline || !generation.witness, "a witness has short prompts");
        let corpus = prompt.generator.starts_with("sparkbench.corpus/");
        expect(
            corpus == prompt.corpus_sha256.value().is_some(),
            "a corpus is named if and only if the prompts are from one",
        );
        let digests: BTreeSet<&str> = generation
            .runs
            .iter()
            .map(|run| run.prompt_sha256.as_str())
            .collect();
        expect(
            digests.len() == generation.runs.len(),
            "two runs have one prompt",
        );
        let vocabulary = weights_of(context, generation).map_or(0, |weights| weights.vocabulary);
        for run in &generation.runs {
            expect(
                inline == run.prompt_ids.value().is_some(),
                "prompts of up to 4096 ids, and no others, are given id by id",
            );
            let Some(ids) = run.prompt_ids.value() else {
                continue;
            };
            expect(
                ids.len() as u64 == prompt.tokens,
                "there are other than the stated number of prompt ids",
            );
            expect(
                ids_sha256(ids) == run.prompt_sha256,
                "the digest is not that of the prompt's ids",
            );
            expect(
                ids.iter().all(|id| u64::from(*id) < vocabulary),
                "the prompt has ids that the vocabulary has not",
            );
        }
    })
}

pub(super) fn ids(context: &Context<'_>) -> Outcome {
    context.each_generation(|findings, case, _, generation| {
        let vocabulary = weights_of(context, generation).map_or(0, |weights| weights.vocabulary);
        let tokens = case.sizes.get("new_tokens").copied().unwrap_or(0);
        for (index, run) in generation.runs.iter().enumerate() {
            let mut expect = |holds: bool, finding: &str| {
                findings.expect(holds, || format!("{}: run {index}: {finding}", case.id));
            };
            expect(
                run.ids.len() >= 2 && run.ids.len() as u64 == tokens,
                "expected as many tokens as were planned, two at least",
            );
            expect(
                ids_sha256(&run.ids) == run.ids_sha256,
                "the digest is not that of the ids",
            );
            expect(
                run.ids.iter().all(|id| u64::from(*id) < vocabulary),
                "ids that the vocabulary has not",
            );
        }
    })
}

pub(super) fn times(context: &Context<'_>) -> Outcome {
    context.each_generation(|findings, case, measurement, generation| {
        let mut expect = |holds: bool, finding: String| {
            findings.expect(holds, || format!("{}: {finding}", case.id));
        };
        let mut before = case.started_ns;
        for (index, run) in generation.runs.iter().enumerate() {
            expect(
                run.token_ns.len() == run.ids.len(),
                format!("run {index} has {} arrivals", run.token_ns.len()),
            );
            expect(
                run.token_ns.is_sorted() && run.token_ns.first().is_some_and(|first| *first > 0),
                format!("the arrivals of run {index} are not in order behind the prompt"),
            );
            let last = run.token_ns.last().copied().unwrap_or(0);
            let ended = run.sent_ns.saturating_add(last);
            expect(
                before <= run.sent_ns && ended <= case.ended_ns,
                format!("run {index} is not behind the run before and within the case"),
            );
            before = ended;
        }
        let gaps: Vec<u64> = generation
            .runs
            .iter()
            .flat_map(|run| run.gaps_ns())
            .collect();
        expect(
            gaps == measurement.samples_ns,
            "the samples are not the times between the arrivals".to_owned(),
        );
        expect(
            measurement.stopping.reason == StoppingReason::Fixed
                && measurement.warmup.reason == WarmupReason::Fixed
                && measurement.discards.is_empty(),
            "expected a fixed number of runs and no discards".to_owned(),
        );
    })
}

pub(super) fn routing(context: &Context<'_>) -> Outcome {
    context.each_generation(|findings, case, _, generation| {
        let Some(weights) = weights_of(context, generation) else {
            return;
        };
        let native = context.payload.engines.iter().any(|engine| {
            engine.program_sha256 == generation.engine_sha256 && engine.driver == "native"
        });
        let mut expect = |holds: bool, finding: String| {
            findings.expect(holds, || format!("{}: {finding}", case.id));
        };
        // The first token was chosen at the prompt's last position.
        let context = case
            .filled_tokens()
            .saturating_add(generation.prompt.tokens);
        let low = context.saturating_sub(1);
        for run in &generation.runs {
            // Other drivers give no experts.
            let tokens = if native { run.ids.len() as u64 } else { 0 };
            let asked = traced_steps(tokens).map(|step| low.saturating_add(step));
            let recorded = run.routing.iter().map(|token| token.position);
            expect(
                asked.eq(recorded),
                "the positions whose experts are recorded are not those that are asked for"
                    .to_owned(),
            );
            for token in &run.routing {
                expect(
                    has_shape(token, weights),
                    format!(
                        "position {} does not have {} different experts of {} in each of {} layers",
                        token.position, weights.experts_used, weights.experts, weights.layers
                    ),
                );
            }
        }
    })
}

/// Whether a token went to as many different experts in every layer as the model has it do.
fn has_shape(token: &RoutingRecord, weights: &WeightsRecord) -> bool {
    let layers = token.experts.len() as u64 == weights.layers;
    let sound = |chosen: &Vec<u16>| {
        let distinct: BTreeSet<&u16> = chosen.iter().collect();
        distinct.len() == chosen.len()
            && chosen.len() as u64 == weights.experts_used
            && chosen.iter().all(|id| u64::from(*id) < weights.experts)
    };
    layers && token.experts.iter().all(sound)
}

pub(super) fn figures(context: &Context<'_>) -> Outcome {
    context.each_generation(|findings, case, _, generation| {
        let experts = weights_of(context, generation).map_or(0, |weights| weights.experts);
        let stated = &generation.derived;
        let Some(found) = generation.figures(experts) else {
            findings.expect(false, || {
                format!("{}: there is nothing to derive from", case.id)
            });
            return;
        };
        let reading = |a: &Reading<f64>, b: &Reading<f64>| match (a.value(), b.value()) {
            (Some(a), Some(b)) => agree(*a, *b),
            _ => a == b,
        };
        let of =
            |pick: fn(&GenerationFigures) -> &Reading<f64>| reading(pick(stated), pick(&found));
        for (name, same) in [
            ("ttft_ns", agree(stated.ttft_ns, found.ttft_ns)),
            (
                "prefill_tokens_per_s",
                agree(stated.prefill_tokens_per_s, found.prefill_tokens_per_s),
            ),
            ("decode_ns_per_token", of(|f| &f.decode_ns_per_token)),
            ("decode_tokens_per_s", of(|f| &f.decode_tokens_per_s)),
            ("tbt_p50_ns", of(|f| &f.tbt_p50_ns)),
            ("tbt_p90_ns", of(|f| &f.tbt_p90_ns)),
            ("tbt_p99_ns", of(|f| &f.tbt_p99_ns)),
            (
                "unique_experts",
                stated.unique_experts == found.unique_experts,
            ),
            ("expert_uses", stated.expert_uses == found.expert_uses),
        ] {
            findings.expect(same, || {
                format!("{}: {name} does not follow from the runs", case.id)
            });
        }
    })
}

pub(super) fn oddities(context: &Context<'_>) -> Outcome {
    context.each_generation(|findings, case, _, generation| {
        for (index, run) in generation.runs.iter().enumerate() {
            for finding in &run.findings {
                findings.expect(false, || {
                    format!(
                        "{}: run {index}: {}: {}",
                        case.id, finding.name, finding.message
                    )
                });
            }
        }
    })
}

impl<'a> Context<'a> {
    /// The measured cases that generated.
    pub(super) fn generations(
        &self,
    ) -> impl Iterator<Item = (&'a CaseRecord, &'a Measurement, &'a GenerationRecord)> {
        self.measured()
            .filter_map(|(case, measurement)| Some((case, measurement, case.generation.as_ref()?)))
    }

    /// Asks `check` of every measured case that generated; skipped where there is none.
    pub(super) fn each_generation(
        &self,
        mut check: impl FnMut(&mut Findings, &'a CaseRecord, &'a Measurement, &'a GenerationRecord),
    ) -> Outcome {
        let mut findings = Findings::default();
        let mut any = false;
        for (case, measurement, generation) in self.generations() {
            any = true;
            check(&mut findings, case, measurement, generation);
        }
        match any {
            true => findings.outcome(),
            false => Outcome::skipped("nothing was generated"),
        }
    }
}
