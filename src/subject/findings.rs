//! What is odd about a generation that keeps to the protocol: grounds for suspicion, each by name. Judges nothing.

use std::collections::BTreeSet;
use std::fmt;

use super::{Generation, Task};

/// Tokens closer than this have not been computed one after another: no model of this suite decodes one so fast.
const TOGETHER_NS: u64 = 20_000;

/// Tokens that were let go one by one may be this far apart on a busy machine. Suspicious only beside long waits.
const LET_GO_NS: u64 = 200_000;

/// A prompt's ids need less time each than tokens that are chosen one after another, and so many more are granted for
/// whatever else the first token waits for.
const GRANTED_IDS: u64 = 64;

/// Fewer tokens than this say nothing about a shape in time.
const TELLING_TOKENS: usize = 8;

/// Fewer distinct ids than this may be a model that repeats itself, as one with synthetic weights does.
const TELLING_IDS: usize = 8;

/// Something odd about a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// More than half of the tokens arrived together with the one before them: they were held back.
    Burst {
        /// Tokens that arrived together with the one before.
        together: usize,
        /// Tokens in all.
        tokens: usize,
        /// The longest wait, from sending the prompt on.
        wait_ns: u64,
    },
    /// Tokens came faster than the machine can read what they need.
    FasterThanMemory {
        /// Mean time per token.
        token_ns: u64,
        /// The least that it can be.
        fastest_token_ns: u64,
    },
    /// The same ids as behind another prompt.
    RepeatedIds {
        /// The earlier generation of this engine, counted from 0.
        earlier: usize,
    },
    /// Other ids than behind the same prompt before.
    UnsteadyIds {
        /// The earlier generation of this engine, counted from 0.
        earlier: usize,
        /// The first step that differs.
        step: usize,
    },
    /// The driver's interface does not pass on every id: there are fewer ids than tokens.
    WithheldIds {
        /// Tokens that the engine counts.
        tokens: u64,
        /// Ids that came.
        ids: usize,
    },
}

impl Finding {
    /// Its name in results.
    pub fn name(&self) -> &'static str {
        match self {
            Finding::Burst { .. } => "burst",
            Finding::FasterThanMemory { .. } => "faster_than_memory",
            Finding::RepeatedIds { .. } => "repeated_ids",
            Finding::UnsteadyIds { .. } => "unsteady_ids",
            Finding::WithheldIds { .. } => "withheld_ids",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Burst {
                together,
                tokens,
                wait_ns,
            } => write!(
                f,
                "{together} of {tokens} tokens arrived together with the one before, after a wait of {wait_ns} ns"
            ),
            Finding::FasterThanMemory {
                token_ns,
                fastest_token_ns,
            } => write!(
                f,
                "a token took {token_ns} ns, less than the {fastest_token_ns} ns that reading its weights takes"
            ),
            Finding::RepeatedIds { earlier } => {
                write!(
                    f,
                    "the ids are those of generation {earlier}, behind another prompt"
                )
            }
            Finding::UnsteadyIds { earlier, step } => write!(
                f,
                "the ids differ from those of generation {earlier}, behind the same prompt, at step {step}"
            ),
            Finding::WithheldIds { tokens, ids } => {
                write!(
                    f,
                    "the engine counts {tokens} tokens and passed on {ids} ids"
                )
            }
        }
    }
}

/// The generations of one engine so far.
#[derive(Debug, Default)]
pub(super) struct History {
    earlier: Vec<(Vec<u32>, Vec<u32>)>,
}

impl History {
    /// What is odd about a generation, by itself and among those before it, which it joins.
    pub fn findings(&mut self, task: &Task, generation: &Generation) -> Vec<Finding> {
        let findings = [
            burst(task, generation),
            faster_than_memory(task, generation),
            self.repeated(task, generation),
            self.unsteady(task, generation),
        ];
        let (prompt, ids) = (task.prompt.to_vec(), generation.ids.clone());
        self.earlier.push((prompt, ids));
        findings.into_iter().flatten().collect()
    }

    fn repeated(&self, task: &Task, generation: &Generation) -> Option<Finding> {
        let ids = &generation.ids;
        let distinct: BTreeSet<&u32> = ids.iter().collect();
        let same = |(prompt, earlier): &(Vec<u32>, Vec<u32>)| {
            prompt != task.prompt && (earlier.starts_with(ids) || ids.starts_with(earlier))
        };
        let earlier = self.earlier.iter().position(same)?;
        (distinct.len() >= TELLING_IDS).then_some(Finding::RepeatedIds { earlier })
    }

    fn unsteady(&self, task: &Task, generation: &Generation) -> Option<Finding> {
        let same_prompt = self
            .earlier
            .iter()
            .enumerate()
            .filter(|(_, (prompt, _))| prompt == task.prompt);
        let differs = |(earlier, (_, ids)): (usize, &(Vec<u32>, Vec<u32>))| {
            let step = ids.iter().zip(&generation.ids).position(|(a, b)| a != b)?;
            Some(Finding::UnsteadyIds { earlier, step })
        };
        same_prompt.filter_map(differs).next()
    }
}

fn burst(task: &Task, generation: &Generation) -> Option<Finding> {
    let stamps = &generation.stamps_ns;
    let first = *stamps.first()?;
    if stamps.len() < TELLING_TOKENS {
        return None;
    }
    let intervals = || stamps.windows(2).map(|pair| pair[1] - pair[0]);
    let mut by_length: Vec<u64> = intervals().collect();
    by_length.sort_unstable();
    let first_wait_ns = first.saturating_sub(generation.sent_ns);
    let id_ns = first_wait_ns / (task.prompt.len() as u64 + GRANTED_IDS);
    // A fifth of the tokens came at least so long after the one before.
    let long_wait_ns = by_length.get(by_length.len() * 4 / 5).copied()?;
    let together_ns = TOGETHER_NS
        .max(task.fastest_token_ns.unwrap_or(0) / 2)
        .max(LET_GO_NS.min((id_ns / 4).max(long_wait_ns / 8)));
    let together = intervals()
        .filter(|interval| *interval < together_ns)
        .count();
    let wait_ns = intervals().chain([first_wait_ns]).max()?;
    (2 * together > stamps.len()).then_some(Finding::Burst {
        together,
        tokens: stamps.len(),
        wait_ns,
    })
}

fn faster_than_memory(task: &Task, generation: &Generation) -> Option<Finding> {
    let fastest_token_ns = task.fastest_token_ns?;
    let (first, last) = (generation.stamps_ns.first()?, generation.stamps_ns.last()?);
    let intervals = u64::try_from(generation.stamps_ns.len())
        .ok()?
        .checked_sub(1)?;
    let token_ns = (last - first).checked_div(intervals)?;
    (token_ns < fastest_token_ns).then_some(Finding::FasterThanMemory {
        token_ns,
        fastest_token_ns,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    static GO_ON: AtomicBool = AtomicBool::new(false);

    fn task(prompt: &[u32]) -> Task<'_> {
        Task {
            filled: 0,
            prompt,
            tokens: 16,
            traced: &[],
            fastest_token_ns: None,
            interrupt: &GO_ON,
        }
    }

    fn generation(ids: Vec<u32>, stamps_ns: Vec<u64>) -> Generation {
        Generation {
            sent_ns: 1000,
            prefilled_ns: None,
            ids,
            stamps_ns,
            routing: vec![],
            self_reported: Default::default(),
            findings: vec![],
        }
    }

    #[test]
    fn every_finding_is_documented() {
        let document = include_str!("../../docs/engine-protocol.md");
        let findings = [
            Finding::Burst {
                together: 1,
                tokens: 1,
                wait_ns: 1,
            },
            Finding::FasterThanMemory {
                token_ns: 1,
                fastest_token_ns: 2,
            },
            Finding::RepeatedIds { earlier: 0 },
            Finding::UnsteadyIds {
                earlier: 0,
                step: 0,
            },
            Finding::WithheldIds { tokens: 2, ids: 1 },
        ];
        for finding in findings {
            assert!(document.contains(&format!("| `{}` |", finding.name())));
        }
    }

    /// What is odd about tokens that came at these times.
    fn at(stamps_ns: Vec<u64>) -> Vec<&'static str> {
        let generation = generation(vec![0; stamps_ns.len()], stamps_ns);
        let findings = History::default().findings(&task(&[1]), &generation);
        findings.iter().map(Finding::name).collect()
    }

    #[test]
    fn tokens_at_an_even_pace_are_not_odd() {
        assert_eq!(
            at((0..16).map(|n| 50_000_000 + n * 600_000).collect()),
            [""; 0]
        );
        // As fast as a tiny model may be.
        assert_eq!(
            at((0..64).map(|n| 2_000_000 + n * 100_000).collect()),
            [""; 0]
        );
        let uneven = (0..64).map(|n| 9_000_000 + n * 600_000 + (n * n * 7919) % 400_000);
        assert_eq!(at(uneven.collect()), [""; 0]);
    }

    #[test]
    fn tokens_that_were_held_back_are_a_burst() {
        // Everything at the end, whether in one read or in one after another.
        assert_eq!(at(vec![80_000_000; 16]), ["burst"]);
        assert_eq!(
            at((0..16).map(|n| 80_000_000 + n * 3_000).collect()),
            ["burst"]
        );
        // Sent by fours.
        assert_eq!(
            at((0..16).map(|n| 9_000_000 + n / 4 * 2_400_000).collect()),
            ["burst"]
        );
        // The first at its time, the rest after a sleep.
        let sleep = [9_000_000]
            .into_iter()
            .chain((0..15).map(|n| 300_000_000 + n * 9_000));
        assert_eq!(at(sleep.collect()), ["burst"]);
        // The same on a machine that is busy with other things.
        let one_by_one = (0..16).map(|n| 80_000_000 + n * 90_000);
        assert_eq!(at(one_by_one.collect()), ["burst"]);
        let by_fours = (0..16).map(|n| 2_000_000 + n / 4 * 2_400_000 + n % 4 * 60_000);
        assert_eq!(at(by_fours.collect()), ["burst"]);
        // Seven say nothing.
        assert_eq!(at(vec![80_000_000; 7]), [""; 0]);
    }

    #[test]
    fn one_late_token_is_no_burst() {
        let late =
            (0..32).map(|n| 9_000_000 + n * 600_000 + if n >= 16 { 2_000_000_000 } else { 0 });
        assert_eq!(at(late.collect()), [""; 0]);
    }

    #[test]
    fn a_token_cannot_come_faster_than_memory_is_read() {
        let stamps: Vec<u64> = (0..16).map(|n| 9_000_000 + n * 600_000).collect();
        let generation = generation(vec![0; 16], stamps);
        for (fastest_token_ns, odd) in [(599_999, false), (600_001, true)] {
            let task = Task {
                fastest_token_ns: Some(fastest_token_ns),
                ..task(&[1])
            };
            let findings = History::default().findings(&task, &generation);
            assert_eq!(findings.len(), usize::from(odd), "{findings:?}");
        }
    }

    #[test]
    fn the_same_ids_behind_another_prompt_are_odd() {
        let mut history = History::default();
        let mut odd = |prompt: &[u32], ids: Vec<u32>| {
            let findings = history.findings(&task(prompt), &generation(ids, vec![]));
            findings.iter().map(Finding::to_string).collect::<Vec<_>>()
        };
        let none = [""; 0];
        assert_eq!(odd(&[1], (0..16).collect()), none);
        assert_eq!(odd(&[1], (0..16).collect()), none);
        assert_eq!(odd(&[2], (5..21).collect()), none);
        assert_eq!(
            odd(&[3], (0..16).collect()),
            ["the ids are those of generation 0, behind another prompt"]
        );
        let differing = (0..9).chain(0..7).collect();
        assert_eq!(
            odd(&[1], differing),
            ["the ids differ from those of generation 0, behind the same prompt, at step 9"]
        );
        // A model that repeats itself does so behind many prompts.
        assert_eq!(odd(&[4], vec![7; 16]), none);
        assert_eq!(odd(&[5], vec![7; 16]), none);
    }
}
