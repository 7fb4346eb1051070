//! What is asked of an engine under test and what comes back: raw observations, no figure derived.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::model::Architecture;
use crate::protocol::{Offer, Routing, Stages, Statistics};

use super::{Finding, SubjectError};

/// An engine under test, with a model loaded.
pub trait Subject {
    /// How it was started.
    fn launch(&self) -> &Launch;

    /// Has it read a prompt in an empty context and choose tokens behind it.
    ///
    /// # Errors
    ///
    /// Whatever the engine does other than that. It is of no use afterwards: drop it, which ends its processes.
    fn generate(&mut self, task: &Task) -> Result<Generation, SubjectError>;

    /// Whether it can do what no engine needs to.
    fn offers(&self, _offer: Offer) -> bool {
        false
    }

    /// Has it take a token behind `position` tokens apart; none where it does not offer that. What it says is its own word.
    ///
    /// # Errors
    ///
    /// As [`generate`](Self::generate).
    fn stages(
        &mut self,
        _position: u32,
        _interrupt: &AtomicBool,
    ) -> Result<Option<Stages>, SubjectError> {
        Ok(None)
    }
}

/// One prompt and what is wanted behind it.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// Tokens that the engine is to make up in front of the prompt; 0 but for engines that offer it.
    pub filled: u32,
    /// Token ids, at least one.
    pub prompt: &'a [u32],
    /// Tokens to choose greedily, at least one; an end-of-sequence id is a token like any other.
    pub tokens: u32,
    /// Steps whose experts are asked for, counted from 0, rising. Drivers without a routing trace ignore them.
    pub traced: &'a [u32],
    /// The least time that a token can take by the machine's bandwidth, where it is known.
    pub fastest_token_ns: Option<u64>,
    /// Set from outside to give up.
    pub interrupt: &'a AtomicBool,
}

impl Task<'_> {
    /// Tokens in the context before the first is chosen.
    pub fn context(&self) -> u64 {
        u64::from(self.filled) + self.prompt.len() as u64
    }
}

/// What was observed. Times are nanoseconds of the harness's session clock.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    /// When the prompt was about to be sent.
    pub sent_ns: u64,
    /// When the engine said that it had read the prompt. Its word alone; no driver but the native one has it.
    pub prefilled_ns: Option<u64>,
    /// The tokens, in order.
    pub ids: Vec<u32>,
    /// When each of `ids` had arrived in the harness.
    pub stamps_ns: Vec<u64>,
    /// Experts of the sampled forward passes: the position of the token that went in, counted from 0, and its experts.
    pub routing: Vec<(u32, Routing)>,
    /// What the engine says of itself. Stored, never scored.
    pub self_reported: Statistics,
    /// What is odd about the above. Grounds for suspicion, not a verdict.
    pub findings: Vec<Finding>,
}

/// How an engine was started, so that it can be started again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The program, an absolute path.
    pub program: PathBuf,
    /// SHA-256 of the program's file.
    pub program_sha256: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its whole environment.
    pub environment: BTreeMap<String, String>,
    /// What it calls itself.
    pub name: String,
}

/// What the harness knows of the model from its own reading of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelShape {
    /// Number of tokens that the model knows.
    pub vocabulary: u64,
    /// Layers, each with a router.
    pub layers: u64,
    /// Routed experts of a layer.
    pub experts: u64,
    /// Experts that a token uses.
    pub experts_used: u64,
}

impl From<&Architecture> for ModelShape {
    fn from(architecture: &Architecture) -> Self {
        let (experts, experts_used) = architecture.experts();
        ModelShape {
            vocabulary: architecture.vocabulary(),
            layers: architecture.layers().len() as u64,
            experts,
            experts_used,
        }
    }
}

/// How long an engine may take before it counts as hung.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From its start to its greeting.
    pub start: Duration,
    /// To load a model.
    pub load: Duration,
    /// From a prompt to the first token; for a context that is filled and for a table of stages, too.
    pub first_token: Duration,
    /// From a token to the next, and for every other answer.
    pub next: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            start: Duration::from_secs(30),
            load: Duration::from_secs(1800),
            first_token: Duration::from_secs(1800),
            next: Duration::from_secs(60),
        }
    }
}
