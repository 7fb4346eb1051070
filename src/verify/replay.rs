//! Level 4: what the weights themselves give for the recorded tokens, against what the result states. Computes nothing.

use std::collections::BTreeMap;

use super::context::Context;
use super::outcome::{Findings, Outcome};
use crate::result::{GenerationRecord, GenerationRun, PromptRecord, Reading, WeightsRecord};

/// By how much a recorded token may lie below the most probable one: in standard deviations of the logits. Engines round
/// differently, and within this their choice is a matter of rounding.
const TIE_SIGMA: f64 = 0.02;

/// By how much a recorded expert may be less probable than the last of those that the weights choose, over the latter's
/// probability.
const TIE_PROBABILITY: f64 = 0.01;

const NOT_ASKED: &str = "not asked for; see --replay";

/// What a replay of a result with one model's weights gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Replayed {
    /// The weights as they were read for the replay, under the model's name in the result. No pin is looked for.
    pub weights: WeightsRecord,
    /// The replayed runs of that model's cases.
    pub runs: Vec<ReplayedRun>,
}

/// What a replay of one run gave.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayedRun {
    /// The case's id.
    pub case: String,
    /// Which of its timed runs, counted from 0.
    pub run: usize,
    /// The prompt as it was made again, or why it was not.
    pub prompt: Reading<RemadePrompt>,
    /// The replayed tokens in order, or why the run cannot be replayed: a finding against the result.
    pub tokens: Result<Vec<ReplayedToken>, String>,
}

/// A prompt that was made again.
#[derive(Debug, Clone, PartialEq)]
pub struct RemadePrompt {
    /// From what.
    pub record: PromptRecord,
    /// Digest of its ids.
    pub ids_sha256: String,
}

/// What the weights say of one recorded token.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayedToken {
    /// Position of the token that went in, counted from 0.
    pub position: u64,
    /// The recorded token.
    pub recorded: u32,
    /// The most probable one.
    pub best: u32,
    /// By how much its logit is above the recorded one's, in standard deviations of all logits; not a number where a
    /// logit is none.
    pub gap_sigma: f64,
    /// The experts of this pass; none where the result has none.
    pub experts: Option<ReplayedExperts>,
}

/// What the weights say of the recorded experts of one pass.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReplayedExperts {
    /// Sets compared: one per layer.
    pub sets: usize,
    /// Recorded experts that the weights do not choose.
    pub strangers: Vec<Stranger>,
}

/// A recorded expert that the weights do not choose.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stranger {
    /// Layer, counted from 0.
    pub layer: usize,
    /// The expert.
    pub expert: u16,
    /// By how much it is less probable than the last of those chosen, over the latter's probability: from 0 to 1.
    pub gap: f64,
}

impl ReplayedRun {
    /// The run as findings name it.
    fn name(&self) -> String {
        format!("{}, run {}", self.case, self.run)
    }

    /// What was replayed, and how close it came to the tolerances, in one line.
    pub(super) fn summary(&self) -> String {
        let tokens = match &self.tokens {
            Ok(tokens) => tokens,
            Err(why) => return format!("{}: not replayed: {why}", self.name()),
        };
        let gap = tokens
            .iter()
            .map(|token| token.gap_sigma)
            .fold(0.0, f64::max);
        let experts = || tokens.iter().filter_map(|token| token.experts.as_ref());
        let sets: usize = experts().map(|experts| experts.sets).sum();
        let strangers = experts().flat_map(|experts| &experts.strangers);
        let distance = strangers.map(|stranger| stranger.gap).fold(0.0, f64::max);
        format!(
            "{}: {} tokens, at most {gap:.4} sigma below the most probable; {sets} expert sets, at most {:.2} % off",
            self.name(),
            tokens.len(),
            distance * 100.0
        )
    }
}

pub(super) fn weights(context: &Context<'_>) -> Outcome {
    let mut findings = Findings::default();
    for Replayed { weights: found, .. } in context.replayed {
        let records = context.payload.weights.iter();
        // Each of them: tokens of one file are not to stand beside the digest of another.
        for stated in records.filter(|stated| stated.model == found.model) {
            compare(stated, found, &mut findings);
        }
    }
    outcome(context, findings)
}

/// Notes where the weights that a result states are not those that were read for its replay.
fn compare(stated: &WeightsRecord, found: &WeightsRecord, findings: &mut Findings) {
    let model = &found.model;
    let mut expect = |name: &str, stated: &str, found: &str| {
        findings.expect(stated == found, || {
            format!("{model}: {name}: stated {stated}, the file has {found}")
        });
    };
    expect("sha256", &stated.sha256, &found.sha256);
    expect(
        "tensors_sha256",
        &stated.tensors_sha256,
        &found.tensors_sha256,
    );
    for (name, stated, found) in [
        ("file_bytes", stated.file_bytes, found.file_bytes),
        ("vocabulary", stated.vocabulary, found.vocabulary),
        ("layers", stated.layers, found.layers),
        ("experts", stated.experts, found.experts),
        ("experts_used", stated.experts_used, found.experts_used),
    ] {
        expect(name, &stated.to_string(), &found.to_string());
    }
    let differing = differing(stated, found);
    findings.expect(differing.is_empty(), || {
        format!("{model}: other tensors than stated: {}", listed(&differing))
    });
}

/// The first few of `names`.
fn listed(names: &[&str]) -> String {
    let (shown, more) = names.split_at(names.len().min(8));
    match more.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Names of the tensors that only one of two files has, or that have other bytes.
fn differing<'a>(stated: &'a WeightsRecord, found: &'a WeightsRecord) -> Vec<&'a str> {
    let by_name = |weights: &'a WeightsRecord| -> BTreeMap<&'a str, _> {
        let tensors = weights.tensors.iter();
        tensors
            .map(|tensor| (tensor.name.as_str(), tensor))
            .collect()
    };
    let (stated, found) = (by_name(stated), by_name(found));
    let mut names: Vec<&str> = stated.keys().chain(found.keys()).copied().collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| stated.get(name) != found.get(name));
    names
}

pub(super) fn prompt(context: &Context<'_>) -> Outcome {
    let mut findings = Findings::default();
    let mut not_made: Option<&str> = None;
    for (generation, run, replayed) in runs(context) {
        let (stated, made) = (&generation.prompt, replayed.prompt.value());
        let Some(RemadePrompt { record, ids_sha256 }) = made else {
            not_made = replayed.prompt.reason();
            continue;
        };
        let corpus = |record: &PromptRecord| match record.corpus_sha256.value() {
            Some(sha256) => sha256.clone(),
            None => "none".to_owned(),
        };
        for (name, stated, made) in [
            ("generator", &stated.generator, &record.generator),
            ("corpus_sha256", &corpus(stated), &corpus(record)),
            (
                "tokens",
                &stated.tokens.to_string(),
                &record.tokens.to_string(),
            ),
            ("prompt_sha256", &run.prompt_sha256, ids_sha256),
        ] {
            findings.expect(stated == made, || {
                let name_of_run = replayed.name();
                format!("{name_of_run}: {name}: stated {stated}, made again {made}")
            });
        }
    }
    match (outcome(context, findings), not_made) {
        (held, Some(reason)) if held.details.is_empty() => Outcome::skipped(reason),
        (outcome, _) => outcome,
    }
}

pub(super) fn tokens(context: &Context<'_>) -> Outcome {
    let mut findings = Findings::default();
    for (.., replayed) in runs(context) {
        for token in replayed.tokens.iter().flatten() {
            // A gap that is no number is none that can be borne.
            let borne = token.gap_sigma <= TIE_SIGMA;
            findings.expect(borne, || {
                format!(
                    "{}: behind position {} the weights give {}, {:.4} sigma above the recorded {}",
                    replayed.name(),
                    token.position,
                    token.best,
                    token.gap_sigma,
                    token.recorded
                )
            });
        }
        not_replayed(&mut findings, replayed);
    }
    outcome(context, findings)
}

pub(super) fn experts(context: &Context<'_>) -> Outcome {
    let mut findings = Findings::default();
    let mut any = false;
    for (.., replayed) in runs(context) {
        for token in replayed.tokens.iter().flatten() {
            any |= token.experts.is_some();
            let strangers = token.experts.iter().flat_map(|experts| &experts.strangers);
            for Stranger { layer, expert, gap } in strangers {
                findings.expect(*gap <= TIE_PROBABILITY, || {
                    format!(
                        "{}: position {}, layer {layer}: expert {expert} is {:.1} % less probable than any that the weights choose",
                        replayed.name(),
                        token.position,
                        gap * 100.0
                    )
                });
            }
        }
        any |= replayed.tokens.is_err();
        not_replayed(&mut findings, replayed);
    }
    match any || context.replayed.is_empty() {
        true => outcome(context, findings),
        false => Outcome::skipped("no experts were recorded where tokens were replayed"),
    }
}

/// Notes a run that cannot be replayed.
fn not_replayed(findings: &mut Findings, replayed: &ReplayedRun) {
    if let Err(why) = &replayed.tokens {
        findings.expect(false, || format!("{}: {why}", replayed.name()));
    }
}

/// The outcome of a check whose findings are complete; skipped where no replay was asked for.
fn outcome(context: &Context<'_>, findings: Findings) -> Outcome {
    match context.replayed.is_empty() {
        true => Outcome::skipped(context.not_replayed.unwrap_or(NOT_ASKED)),
        false => findings.outcome(),
    }
}

/// The replayed runs beside what the result has of them.
fn runs<'a>(
    context: &Context<'a>,
) -> impl Iterator<Item = (&'a GenerationRecord, &'a GenerationRun, &'a ReplayedRun)> {
    let replayed = context.replayed.iter().flat_map(|model| &model.runs);
    let payload = context.payload;
    replayed.filter_map(move |replayed| {
        let mut cases = payload.cases.iter();
        let case = cases.find(|case| case.id == replayed.case)?;
        let generation = case.generation.as_ref()?;
        Some((generation, generation.runs.get(replayed.run)?, replayed))
    })
}
