//! One result replayed with one weights file: which of its tokens, behind which prompt.

use std::path::Path;

use super::pass::Pass;
use super::{ReplayError, WeightsFile};
use crate::bench::e2e::{Prompts, prompt_record};
use crate::prompt::Prompt;
use crate::result::{CaseRecord, GenerationRecord, PromptRecord, Reading, case_seed};
use crate::verify::{Replayed, ReplayedCase};

/// What is to be replayed, beside the witness.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// Positions of longer cases, each that of the token behind which another was chosen, counted from 0.
    pub positions: &'a [u64],
    /// The corpus that prompts are windows of.
    pub corpus: Option<&'a Path>,
}

impl Wanted<'_> {
    /// Whether some longer case has each position.
    pub(super) fn check(
        &self,
        cases: &[(&CaseRecord, &GenerationRecord)],
    ) -> Result<(), ReplayError> {
        let longer = || cases.iter().filter(|(_, generation)| !generation.witness);
        let in_none = |position: &&u64| {
            !longer().any(|(_, generation)| step(generation, **position).is_some())
        };
        match self.positions.iter().find(in_none) {
            Some(position) => Err(ReplayError::Position {
                position: *position,
            }),
            None => Ok(()),
        }
    }

    /// The chosen tokens of a case that are to be looked at, rising from 0.
    pub(super) fn steps(&self, generation: &GenerationRecord) -> Vec<usize> {
        if generation.witness {
            return (0..generation.ids.len()).collect();
        }
        let positions = self.positions.iter();
        let mut steps: Vec<usize> = positions
            .filter_map(|position| step(generation, *position))
            .collect();
        steps.sort_unstable();
        steps.dedup();
        steps
    }
}

/// Which of the chosen tokens was chosen behind `position`.
fn step(generation: &GenerationRecord, position: u64) -> Option<usize> {
    let step = position
        .saturating_add(1)
        .checked_sub(generation.prompt.tokens)?;
    let step = usize::try_from(step).ok()?;
    (step < generation.ids.len()).then_some(step)
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
    /// Hashes the file and replays the cases: the witness in full, longer cases at the positions wanted. `progress` is
    /// told what is being done, in a few words.
    ///
    /// # Errors
    ///
    /// [`ReplayError`]. What is wrong with the result is in what comes back.
    pub fn replay(&self, progress: &(dyn Fn(&str) + Sync)) -> Result<Replayed, ReplayError> {
        let weights = self.weights.record(self.model, progress);
        let mut cases = Vec::new();
        for (case, generation) in &self.cases {
            if !self.wanted.steps(generation).is_empty() {
                cases.push(self.case(case, generation, progress)?);
            }
        }
        Ok(Replayed { weights, cases })
    }

    fn case(
        &self,
        case: &CaseRecord,
        generation: &GenerationRecord,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<ReplayedCase, ReplayError> {
        let made = self.prompt(case, &generation.prompt)?;
        let same = |made: &&Prompt| made.ids_sha256 == generation.prompt.ids_sha256;
        let known = generation.prompt.ids.value();
        let prompt = known.or_else(|| made.value().filter(same).map(|made| &made.ids));
        let pass = Pass {
            weights: self.weights,
            case: &case.id,
            generation,
            progress,
        };
        let tokens = match prompt {
            Some(prompt) => pass.tokens(prompt, &self.wanted.steps(generation))?,
            None if made.value().is_none() => {
                return Err(ReplayError::NeedsCorpus {
                    case: case.id.clone(),
                });
            }
            None => Err("the prompt is neither stated id by id nor the one made again".to_owned()),
        };
        Ok(ReplayedCase {
            id: case.id.clone(),
            prompt: made.map(|made| prompt_record(&made)),
            tokens,
        })
    }

    /// The prompt of a case, made again from the case's seed.
    fn prompt(
        &self,
        case: &CaseRecord,
        stated: &PromptRecord,
    ) -> Result<Reading<Prompt>, ReplayError> {
        if stated.corpus_sha256.value().is_some() && matches!(self.prompts, Prompts::Text(_)) {
            let reason = "the prompt is a window of a corpus; give it with --corpus FILE";
            return Ok(Reading::missing(reason));
        }
        // A forged number could ask for any amount of text.
        let tokens = stated.tokens.min(self.weights.architecture.context());
        // Sixteen hex digits, which this crate just made.
        let seed = case_seed(self.session_seed, &case.id);
        let seed = u64::from_str_radix(&seed, 16).unwrap_or_default();
        Ok(Reading::of(self.prompts.prompt(seed, tokens)?))
    }
}
