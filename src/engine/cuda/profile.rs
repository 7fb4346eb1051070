//! What each part of the model takes of a token: its stages alone, one layer's behind the other's, as they lie in a token's
//! graph. Weights of many layers do not fit the L2 cache, so each launch finds its own in memory as a token does; what a
//! stage gains from starting before its predecessor's end, it gains here from its like.

use crate::device::cuda::{Cuda, CudaError, Event, Graph, Span, Stream};
use crate::engine::PartTime;
use crate::kernels::decode::{Address, Decode, Stage};

use super::plan::Steps;
use super::planner::Step;

/// Fewest launches of a timed graph: at less, its own launch would show.
const LAUNCHES: usize = 64;
/// Replays before those that count.
const WARMUP: usize = 3;
/// Replays that count.
const REPLAYS: usize = 15;
/// What caches hold where no token was computed: f16 numbers of 0.08, f32 numbers near 10^-11. Both are finite, and so is
/// what follows from them.
const FILL: u8 = 0x2d;

/// Times stages where their memory is.
pub(super) struct Profiler<'a> {
    pub cuda: &'a Cuda,
    pub kernels: &'a Decode,
    pub stream: &'a Stream,
    pub memory: Span,
}

impl Profiler<'_> {
    /// Every part of a token at `position` that takes `token_ns`; the token's record says so already.
    pub fn parts(
        &self,
        steps: &Steps,
        position: usize,
        token_ns: u64,
    ) -> Result<Vec<PartTime>, CudaError> {
        let ends = [&steps.head, &steps.next_token];
        let all: Vec<&Step> = steps.layers.iter().chain(ends).collect();
        let mut names: Vec<&'static str> = Vec::new();
        for step in &all {
            if !names.contains(&step.part) {
                names.push(step.part);
            }
        }
        let next = &steps.next_token;
        // A token without a part, and always without what makes the next one: it would go on to other positions.
        let without = |name: &str| {
            let rest: Vec<&Stage> = all
                .iter()
                .filter(|step| step.part != name && step.part != next.part)
                .map(|step| &step.stage)
                .collect();
            self.median(&self.chain(&rest, 1)?)
        };
        let without_next_ns = without(next.part)?;
        let part = |name: &&'static str| {
            let stages: Vec<&Stage> = all
                .iter()
                .filter(|step| step.part == *name)
                .map(|step| &step.stage)
                .collect();
            let (with_ns, without_ns) = match *name == next.part {
                true => (token_ns, without_next_ns),
                false => (without_next_ns, without(name)?),
            };
            Ok(PartTime {
                with_ns,
                without_ns,
                ..self.part(name, &stages, position)?
            })
        };
        names.iter().map(part).collect()
    }

    fn part(
        &self,
        part: &'static str,
        stages: &[&Stage],
        position: usize,
    ) -> Result<PartTime, CudaError> {
        let rounds = LAUNCHES.div_ceil(stages.len());
        let graph = self.chain(stages, rounds)?;
        let ns = self.median(&graph)? / rounds as u64;
        Ok(PartTime {
            part,
            kernel: stages.first().map_or("", |stage| stage.name()),
            launches: stages.len(),
            bytes: stages
                .iter()
                .map(|stage| stage.traffic(position as u64))
                .sum(),
            ns,
            with_ns: 0,
            without_ns: 0,
        })
    }

    /// `stages` one behind the other, so many times.
    fn chain(&self, stages: &[&Stage], rounds: usize) -> Result<Graph, CudaError> {
        self.stream.capture(|stream| {
            for index in 0..rounds * stages.len() {
                let stage = stages[index % stages.len()];
                self.kernels.launch(stream, stage, index)?;
            }
            Ok(())
        })
    }

    /// Median time between the ends of one replay and the next.
    pub fn median(&self, graph: &Graph) -> Result<u64, CudaError> {
        let events: Vec<Event> = (0..=REPLAYS)
            .map(|_| Event::new(self.cuda))
            .collect::<Result<_, _>>()?;
        for _ in 0..WARMUP {
            self.stream.replay(graph)?;
        }
        for (index, event) in events.iter().enumerate() {
            if index > 0 {
                self.stream.replay(graph)?;
            }
            self.stream.record(event)?;
        }
        let mut times = events
            .windows(2)
            .map(|pair| pair[0].elapsed_ns(&pair[1]))
            .collect::<Result<Vec<u64>, _>>()?;
        times.sort_unstable();
        Ok(times[REPLAYS / 2])
    }

    /// Replays that [`median`](Self::median) makes.
    pub const REPLAYS: usize = WARMUP + REPLAYS;

    /// Gives caches and recurrent state contents, as if tokens had been computed.
    pub fn fill(&self, steps: &Steps) -> Result<(), CudaError> {
        for Step { stage, .. } in &steps.layers {
            match stage {
                Stage::Attention(attention) => {
                    let row = u64::from(attention.kv_heads) * u64::from(attention.head_dim);
                    let bytes = u64::from(attention.capacity) * row * 2;
                    self.fill_at(attention.keys, bytes)?;
                    self.fill_at(attention.values, bytes)?;
                }
                Stage::Delta(delta) => {
                    let row = u64::from(delta.value_heads) * u64::from(delta.value_dim);
                    self.fill_at(delta.state, row * u64::from(delta.key_dim) * 4)?;
                    let channels = 2 * delta.key_heads * delta.key_dim;
                    let channels = channels + delta.value_heads * delta.value_dim;
                    self.fill_at(delta.window, u64::from(delta.taps * channels) * 4)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn fill_at(&self, at: Address, bytes: u64) -> Result<(), CudaError> {
        let offset = at.0.saturating_sub(self.memory.address());
        self.stream.fill(self.memory.part(offset, bytes)?, FILL)
    }
}
