//! One result replayed with one weights file: which of its tokens, behind which prompt.

use std::path::Path;

use super::pass::Pass;
use super::{ReplayError, WeightsFile};
use crate::bench::e2e::{Prompts, prompt_record, prompt_seed};
use crate::prompt::Prompt;
use crate::result::{CaseRecord, GenerationRecord, GenerationRun, Reading, case_seed, seed_id};
use crate::verify::{RemadePrompt, Replayed, ReplayedRun};

/// What is to be replayed, beside the witness.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// Positions of longer cases, each that of the token behind which another was chosen, counted from 0.
    pub positions: &'a [u64],
    /// The corpus that prompts are windows of.
    pub corpus: Option<&'a Path>,
}

impl Wanted<'_> {
    /// Whether some longer case has each position, and there is something to replay at all.
    pub(super) fn check(
        &self,
        cases: &[(&CaseRecord, &GenerationRecord)],
    ) -> Result<(), ReplayError> {
        let has = |generation: &GenerationRecord, position| {
            let mut runs = generation.runs.iter();
            !generation.witness && runs.any(|run| step(generation, run, position).is_some())
        };
        let in_none = |position: &&u64| !cases.iter().any(|(_, case)| has(case, **position));
        match self.positions.iter().find(in_none) {
            Some(position) => Err(ReplayError::Position {
                position: *position,
            }),
            None if self.positions.is_empty() && cases.iter().all(|(_, case)| !case.witness) => {
                Err(ReplayError::NoPositions)
            }
            None => Ok(()),
        }
    }

    /// The tokens of a run that are to be looked at, rising from 0.
    fn steps(&self, generation: &GenerationRecord, run: &GenerationRun) -> Vec<usize> {
        if generation.witness {
            return (0..run.ids.len()).collect();
        }
        let positions = self.positions.iter();
        let mut steps: Vec<usize> = positions
            .filter_map(|position| step(generation, run, *position))
            .collect();
        steps.sort_unstable();
        steps.dedup();
        steps
    }
}

/// Which token of a run was chosen behind `position`.
fn step(generation: &GenerationRecord, run: &GenerationRun, position: u64) -> Option<usize> {
    let behind = position.saturating_add(1);
    let step = behind.checked_sub(generation.prompt.tokens)?;
    let step = usize::try_from(step).ok()?;
    (step < run.ids.len()).then_some(step)
}

/// A weights file, and the cases of a result that are of its model.
pub struct Sitting<'a> {
    pub(super) weights: &'a WeightsFile,
    pub(super) prompts: Prompts,
    /// Seed of the result's session, 16 hex digits.
    pub(super) session_seed: &'a str,
    /// The model's name in the result.
    pub(super) model: &'a str,
    pub(super) cases: Vec<(&'a CaseRecord, &'a GenerationRecord)>,
    pub(super) wanted: Wanted<'a>,
}

impl Sitting<'_> {
    /// Hashes the file and replays every run of the cases: the witness in full, longer cases at the positions wanted.
    /// `progress` is told what is being done, in a few words.
    ///
    /// # Errors
    ///
    /// [`ReplayError`]. What is wrong with the result is in what comes back.
    pub fn replay(&self, progress: &(dyn Fn(&str) + Sync)) -> Result<Replayed, ReplayError> {
        let weights = self.weights.record(self.model, progress);
        let mut runs = Vec::new();
        for (case, generation) in &self.cases {
            for (index, run) in generation.runs.iter().enumerate() {
                let steps = self.wanted.steps(generation, run);
                if steps.is_empty() {
                    continue;
                }
                let name = format!("{}, run {index}", case.id);
                let told = |what: &str| progress(&format!("replaying {name}: {what}"));
                let pass = Pass {
                    weights: &self.weights.path,
                    run,
                    progress: &told,
                };
                let made = self.prompt(case, generation, index)?;
                runs.push(ReplayedRun {
                    case: case.id.clone(),
                    run: index,
                    tokens: pass.behind(made.value(), &steps)?,
                    prompt: made.map(|made| RemadePrompt {
                        record: prompt_record(&made),
                        ids_sha256: made.ids_sha256,
                    }),
                });
            }
        }
        Ok(Replayed { weights, runs })
    }

    /// The prompt of a run, made again from the case's seed.
    fn prompt(
        &self,
        case: &CaseRecord,
        generation: &GenerationRecord,
        run: usize,
    ) -> Result<Reading<Prompt>, ReplayError> {
        let stated = &generation.prompt;
        if stated.corpus_sha256.value().is_some() && matches!(self.prompts, Prompts::Text(_)) {
            let reason = "the prompt is a window of a corpus; give it with --corpus FILE";
            return Ok(Reading::missing(reason));
        }
        // A forged number could ask for any amount of text.
        let tokens = stated.tokens.min(self.weights.architecture.context());
        let seed = prompt_seed(
            &case_seed(self.session_seed, seed_id(&case.id, &case.labels)),
            run as u64,
        );
        Ok(Reading::of(self.prompts.prompt(seed, tokens)?))
    }
}
