//! A target: one model on one machine, the contexts that count, the goals, and what others have published.

use serde::{Deserialize, Serialize};

use super::check::{self, Failure};
use super::machine::Machine;
use super::model::Model;
use super::source::ConfigSource;

/// A target with its machine and model loaded.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Target {
    /// Name by which `--target` refers to it.
    pub name: String,
    /// One line for tables.
    pub description: String,
    /// The hardware.
    pub machine: Machine,
    /// The weights and architecture.
    pub model: Model,
    /// Tokens already in context when decoding is timed, ascending.
    pub contexts_tokens: Vec<u64>,
    /// Prompt lengths at which prefill is timed, ascending.
    pub prefill_tokens: Vec<u64>,
    /// The text that `--corpus` must be, if any is pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corpus: Option<CorpusPin>,
    /// What is to be reached.
    pub goals: Vec<Goal>,
    /// What engines are known to reach.
    pub baselines: Vec<Baseline>,
    /// Where this was read from.
    pub source: ConfigSource,
}

/// A target file as written: machine and model by name or by path relative to the file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TargetFile {
    pub name: String,
    pub description: String,
    pub machine: String,
    pub model: String,
    pub contexts_tokens: Vec<u64>,
    pub prefill_tokens: Vec<u64>,
    #[serde(default)]
    pub corpus: Option<CorpusPin>,
    #[serde(default)]
    pub goals: Vec<Goal>,
    #[serde(default)]
    pub baselines: Vec<Baseline>,
}

/// A text that prompts are cut from, identified by its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorpusPin {
    /// What the text is called.
    pub name: String,
    /// SHA-256 of the file, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Where the file and its digest are from.
    pub source: String,
}

/// How binding a goal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GoalKind {
    /// The line that the suite was founded on.
    Headline,
    /// The line that is worth reaching, given what engines do today.
    Stretch,
}

/// One goal at one context. Exactly one of the three quantities is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Goal {
    /// Headline or stretch.
    pub kind: GoalKind,
    /// Tokens in context for decoding and memory, prompt tokens for prefill.
    pub context_tokens: u64,
    /// Decode at least this fast at batch size 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode_tokens_per_s: Option<f64>,
    /// Prefill at least this fast.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefill_tokens_per_s: Option<f64>,
    /// Hold the whole context on this machine without running out of memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fits_in_memory: Option<bool>,
    /// Why this figure.
    pub source: String,
}

/// Where a published figure comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BaselineKind {
    /// Measured for this suite on the named machine.
    Measured,
    /// Published by somebody else, not repeated here.
    Reported,
    /// Computed from a model of the hardware; nobody has seen it.
    Modelled,
}

/// What an engine reaches. At least one of the three quantities is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Engine, with its revision where known.
    pub engine: String,
    /// Measured, reported or modelled.
    pub kind: BaselineKind,
    /// The weights it ran on; often not this suite's default file.
    pub weights: String,
    /// Tokens in context for decoding and memory, prompt tokens for prefill.
    #[serde(default)]
    pub context_tokens: Option<u64>,
    /// Why `context_tokens` is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_tokens_reason: Option<String>,
    /// Decode rate at batch size 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode_tokens_per_s: Option<f64>,
    /// Prefill rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefill_tokens_per_s: Option<f64>,
    /// Device memory in use with that context allocated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Publication or measurement.
    pub source: String,
    /// What makes the figure hard to compare, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What a goal asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wanted {
    /// Decode at least this many tokens per second.
    DecodeTokensPerS(f64),
    /// Prefill at least this many tokens per second.
    PrefillTokensPerS(f64),
    /// Hold the context in memory.
    FitsInMemory,
}

impl Goal {
    /// The one quantity that is given; `None` only for a goal that was never checked.
    pub fn wanted(&self) -> Option<Wanted> {
        match (
            self.decode_tokens_per_s,
            self.prefill_tokens_per_s,
            self.fits_in_memory,
        ) {
            (Some(rate), None, None) => Some(Wanted::DecodeTokensPerS(rate)),
            (None, Some(rate), None) => Some(Wanted::PrefillTokensPerS(rate)),
            (None, None, Some(true)) => Some(Wanted::FitsInMemory),
            _ => None,
        }
    }
}

impl Target {
    pub(super) fn check(&self) -> Result<(), Failure> {
        check::name("name", &self.name)?;
        check::text("description", &self.description)?;
        let max = self.model.context_max_tokens;
        let max_is = format!("the longest context of {}", self.model.name);
        check::ascending("contexts_tokens", &self.contexts_tokens, max, &max_is)?;
        check::ascending("prefill_tokens", &self.prefill_tokens, max, &max_is)?;
        if let Some(corpus) = &self.corpus {
            check::text("corpus.name", &corpus.name)?;
            check::sha256("corpus.sha256", &corpus.sha256)?;
            check::text("corpus.source", &corpus.source)?;
        }
        for (i, goal) in self.goals.iter().enumerate() {
            self.check_goal(&format!("goals[{i}]"), goal)?;
        }
        for (i, baseline) in self.baselines.iter().enumerate() {
            baseline.check(&format!("baselines[{i}]"), max, &max_is)?;
        }
        Ok(())
    }

    fn check_goal(&self, path: &str, goal: &Goal) -> Result<(), Failure> {
        check::text(&format!("{path}.source"), &goal.source)?;
        let (list, contexts) = match goal.wanted() {
            Some(Wanted::DecodeTokensPerS(rate)) => {
                check::quantity(&format!("{path}.decode_tokens_per_s"), rate)?;
                ("contexts_tokens", &self.contexts_tokens)
            }
            Some(Wanted::PrefillTokensPerS(rate)) => {
                check::quantity(&format!("{path}.prefill_tokens_per_s"), rate)?;
                ("prefill_tokens", &self.prefill_tokens)
            }
            Some(Wanted::FitsInMemory) => ("contexts_tokens", &self.contexts_tokens),
            None => {
                return Err(Failure::new(path, "expected one quantity for the goal").hint(
                    "give one of `decode_tokens_per_s`, `prefill_tokens_per_s` and `fits_in_memory: true`",
                ));
            }
        };
        if contexts.contains(&goal.context_tokens) {
            return Ok(());
        }
        Err(Failure::new(
            format!("{path}.context_tokens"),
            format!(
                "{} is not in `{list}`, so the goal would never be judged",
                goal.context_tokens
            ),
        )
        .hint(format!("add it to `{list}`")))
    }
}

impl Baseline {
    fn check(&self, path: &str, max: u64, max_is: &str) -> Result<(), Failure> {
        for (key, value) in [
            ("engine", &self.engine),
            ("weights", &self.weights),
            ("source", &self.source),
        ] {
            check::text(&format!("{path}.{key}"), value)?;
        }
        if let Some(note) = &self.note {
            check::text(&format!("{path}.note"), note)?;
        }
        check::value_or_reason(
            &format!("{path}.context_tokens"),
            self.context_tokens.is_some(),
            self.context_tokens_reason.as_deref(),
        )?;
        if let Some(context) = self.context_tokens {
            check::at_most(&format!("{path}.context_tokens"), context, max, max_is)?;
        }
        for (key, rate) in [
            ("decode_tokens_per_s", self.decode_tokens_per_s),
            ("prefill_tokens_per_s", self.prefill_tokens_per_s),
        ] {
            if let Some(rate) = rate {
                check::quantity(&format!("{path}.{key}"), rate)?;
            }
        }
        if let Some(bytes) = self.memory_bytes {
            check::count(&format!("{path}.memory_bytes"), bytes)?;
        }
        if self.decode_tokens_per_s.is_none()
            && self.prefill_tokens_per_s.is_none()
            && self.memory_bytes.is_none()
        {
            return Err(Failure::new(path, "a baseline without a figure")
                .hint("give `decode_tokens_per_s`, `prefill_tokens_per_s` or `memory_bytes`"));
        }
        Ok(())
    }
}
