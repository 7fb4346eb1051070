//! What each kind of launch takes of a prompt: a whole prompt timed, then its last batch launch by launch.

use crate::device::cuda::{Cuda, CudaError, Event, Stream};
use crate::kernels::decode::Address;
use crate::kernels::prefill::{Batch, Prefill};

use super::batch::BatchPlan;

/// Prompts timed, behind one that is not.
const PROMPTS: usize = 3;

/// What launches of one kind take of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct LaunchTime {
    /// The kernel, and of a product its matrix.
    pub name: String,
    /// Launches in a batch.
    pub launches: usize,
    /// Time of all of them, each behind the end of the one in front.
    pub ns: u64,
}

/// A prompt taken apart.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptProfile {
    /// Tokens of the prompt.
    pub tokens: usize,
    /// Median time of the whole of it, on the device.
    pub ns: u64,
    /// Tokens of the last batch.
    pub batch: usize,
    /// Its launches by time.
    pub launches: Vec<LaunchTime>,
}

/// Times prompts of a planned model.
pub(super) struct PromptProfiler<'a> {
    pub cuda: &'a Cuda,
    pub stream: &'a Stream,
    pub kernels: &'a Prefill,
    pub plan: &'a BatchPlan,
    pub ids: Address,
}

impl PromptProfiler<'_> {
    /// A prompt of `tokens` tokens, of which there is at least one; `whole` queues all of it.
    pub fn prompt(
        &self,
        tokens: usize,
        whole: impl Fn() -> Result<(), CudaError>,
    ) -> Result<PromptProfile, CudaError> {
        let mut times = Vec::new();
        for round in 0..=PROMPTS {
            let (begin, end) = (Event::new(self.cuda)?, Event::new(self.cuda)?);
            self.stream.record(&begin)?;
            whole()?;
            self.stream.record(&end)?;
            let ns = begin.elapsed_ns(&end)?;
            if round > 0 {
                times.push(ns);
            }
        }
        times.sort_unstable();
        let batch = (tokens - 1) % self.plan.tokens as usize + 1;
        Ok(PromptProfile {
            tokens,
            ns: times[PROMPTS / 2],
            batch,
            launches: self.launches(tokens - batch, batch)?,
        })
    }

    fn launches(&self, position: usize, tokens: usize) -> Result<Vec<LaunchTime>, CudaError> {
        let batch = Batch {
            ids: self.ids.offset(position as u64 * 4),
            position: position as u32,
            tokens: tokens as u32,
        };
        let events: Vec<Event> = (0..=self.plan.work.len())
            .map(|_| Event::new(self.cuda))
            .collect::<Result<_, _>>()?;
        for (work, event) in self.plan.work.iter().zip(&events) {
            self.stream.record(event)?;
            self.kernels.launch(self.stream, work, batch)?;
        }
        if let Some(last) = events.last() {
            self.stream.record(last)?;
        }
        let mut all: Vec<LaunchTime> = Vec::new();
        for (work, pair) in self.plan.work.iter().zip(events.windows(2)) {
            let ns = pair[0].elapsed_ns(&pair[1])?;
            let name = work.label();
            match all.iter_mut().find(|one| one.name == name) {
                Some(one) => {
                    one.launches += 1;
                    one.ns += ns;
                }
                None => all.push(LaunchTime {
                    name,
                    launches: 1,
                    ns,
                }),
            }
        }
        all.sort_by_key(|one| std::cmp::Reverse(one.ns));
        Ok(all)
    }
}
