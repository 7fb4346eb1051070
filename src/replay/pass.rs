//! The recorded tokens of one run sent through the CPU engine, each looked at before the next goes in.

use std::path::Path;

use super::ReplayError;
use crate::engine::cpu::CpuEngine;
use crate::engine::{Engine, EngineError, Options, greedy};
use crate::prompt::Prompt;
use crate::result::{GenerationRun, RoutingRecord};
use crate::verify::{ReplayedExperts, ReplayedToken, Stranger};

/// Tokens between two reports of progress.
const STEP: usize = 256;

/// One run on its way through the engine.
pub(super) struct Pass<'a> {
    pub weights: &'a Path,
    pub run: &'a GenerationRun,
    pub progress: &'a (dyn Fn(&str) + Sync),
}

impl Pass<'_> {
    /// What the weights say of the chosen tokens of `steps`, which rise from 0; or why they can say nothing, which is a
    /// finding against the result. `made` is the prompt as it was made again; the stated one counts where it is stated.
    pub fn behind(
        &self,
        made: Option<&Prompt>,
        steps: &[usize],
    ) -> Result<Result<Vec<ReplayedToken>, String>, ReplayError> {
        let same = made.filter(|made| made.ids_sha256 == self.run.prompt_sha256);
        let prompt = match (self.run.prompt_ids.value(), same, made) {
            (Some(stated), ..) => stated,
            (None, Some(made), _) => &made.ids,
            (None, None, None) => return Err(ReplayError::NeedsCorpus),
            (None, None, Some(_)) => {
                let why = "the prompt is neither stated id by id nor the one made again";
                return Ok(Err(why.to_owned()));
            }
        };
        match self.forced(prompt, steps) {
            Ok(tokens) => Ok(Ok(tokens)),
            // The ids are not of this model, or more than it can hold.
            Err(
                error @ (EngineError::TokenOutOfRange { .. }
                | EngineError::ContextFull { .. }
                | EngineError::Context { .. }),
            ) => Ok(Err(error.to_string())),
            Err(error) => Err(ReplayError::Engine(error)),
        }
    }

    fn forced(&self, prompt: &[u32], steps: &[usize]) -> Result<Vec<ReplayedToken>, EngineError> {
        let ids: Vec<u32> = prompt.iter().chain(&self.run.ids).copied().collect();
        // The last token chosen need not go in.
        let needed = prompt.len() + steps.last().copied().unwrap_or(0);
        let options = Options {
            context: Some(needed),
            ..Options::default()
        };
        let mut engine = CpuEngine::open(self.weights, options)?;
        let mut tokens = Vec::with_capacity(steps.len());
        for &step in steps {
            let behind = prompt.len() + step;
            let new = ids.get(engine.position()..behind).unwrap_or_default();
            for part in new.chunks(STEP) {
                (self.progress)(&format!("token {} of {needed}", engine.position()));
                engine.prefill(part)?;
            }
            let Some(recorded) = self.run.ids.get(step) else {
                break;
            };
            tokens.push(self.token(&engine, *recorded));
        }
        Ok(tokens)
    }

    /// What the engine, whose last token is the one behind which `recorded` was chosen, says of it.
    fn token(&self, engine: &CpuEngine, recorded: u32) -> ReplayedToken {
        let position = engine.position().saturating_sub(1) as u64;
        let mut routing = self.run.routing.iter();
        let routing = routing.find(|token| token.position == position);
        let best = greedy(engine.logits());
        ReplayedToken {
            position,
            recorded,
            best: best.unwrap_or(0),
            gap_sigma: best.map_or(f64::NAN, |best| gap_sigma(engine.logits(), best, recorded)),
            experts: routing.map(|token| experts(token, engine.routing(), engine.router())),
        }
    }
}

/// By how much the logit of `best` is above that of `recorded`, in standard deviations of all logits.
fn gap_sigma(logits: &[f32], best: u32, recorded: u32) -> f64 {
    let logit = |id: u32| logits.get(id as usize).map_or(f64::NAN, |x| f64::from(*x));
    if best == recorded {
        return 0.0;
    }
    let count = logits.len().max(1) as f64;
    let mean = logits.iter().map(|x| f64::from(*x)).sum::<f64>() / count;
    let squares = logits.iter().map(|x| (f64::from(*x) - mean).powi(2));
    let sigma = (squares.sum::<f64>() / count).sqrt();
    match logit(best) - logit(recorded) {
        0.0 => 0.0,
        gap => gap / sigma,
    }
}

/// The recorded experts that are not among those `chosen` by layer, where `router` has every expert's probability.
fn experts(recorded: &RoutingRecord, chosen: &[Vec<u32>], router: &[Vec<f32>]) -> ReplayedExperts {
    let mut strangers = Vec::new();
    for (layer, recorded) in recorded.experts.iter().enumerate() {
        let chosen = chosen.get(layer).map_or(&[][..], Vec::as_slice);
        let probability = |expert: u32| {
            let of_layer = router.get(layer);
            let found = of_layer.and_then(|layer| layer.get(expert as usize));
            found.map_or(0.0, |p| f64::from(*p))
        };
        let least = chosen.last().map_or(1.0, |expert| probability(*expert));
        let others = recorded
            .iter()
            .filter(|expert| !chosen.contains(&u32::from(**expert)));
        strangers.extend(others.map(|expert| Stranger {
            layer,
            expert: *expert,
            gap: 1.0 - probability(u32::from(*expert)) / least,
        }));
    }
    ReplayedExperts {
        sets: recorded.experts.len(),
        strangers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_measured_in_standard_deviations() {
        // Mean 1, standard deviation 1.
        let logits = [0.0, 2.0, 0.0, 2.0];
        assert_eq!(gap_sigma(&logits, 1, 0), 2.0);
        assert_eq!(gap_sigma(&logits, 1, 3), 0.0);
        assert_eq!(gap_sigma(&logits, 1, 1), 0.0);
        assert!(gap_sigma(&logits, 1, 4).is_nan());
        assert_eq!(gap_sigma(&[3.0; 4], 0, 2), 0.0);
    }

    #[test]
    fn a_stranger_is_as_far_off_as_it_is_less_probable_than_the_last_chosen() {
        let recorded = |experts: &[&[u16]]| RoutingRecord {
            position: 0,
            experts: experts.iter().map(|layer| layer.to_vec()).collect(),
        };
        let chosen = [vec![2, 0]];
        let router = [vec![0.2, 0.1, 0.5, 0.2]];
        let strangers = |sets: &[&[u16]]| experts(&recorded(sets), &chosen, &router).strangers;
        assert_eq!(strangers(&[&[0, 2]]), []);
        let stranger = |layer, expert, gap| Stranger { layer, expert, gap };
        // As probable as the last chosen, half as probable, not there at all.
        assert_eq!(strangers(&[&[2, 3]]), [stranger(0, 3, 0.0)]);
        assert_eq!(strangers(&[&[2, 1]]), [stranger(0, 1, 0.5)]);
        assert_eq!(strangers(&[&[2, 4]]), [stranger(0, 4, 1.0)]);
        // A layer that the model has not.
        assert_eq!(strangers(&[&[0, 2], &[7]]), [stranger(1, 7, 1.0)]);
    }
}
