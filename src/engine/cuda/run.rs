//! The device loop: graphs of one token each, queued ahead of what the host has read from the ring. Knows no layer.

use std::thread;

use crate::device::cuda::{Cuda, CudaError, Graph, HostWords, Span, Stream};
use crate::engine::Profile;
use crate::kernels::decode::{Address, Decode, TOKEN_BYTES, Token};
use crate::kernels::prefill::{Batch, Prefill};
use crate::kernels::tuning;

use super::batch::BatchPlan;
use super::plan::{Plan, Steps, first_token};
use super::profile::Profiler;
use super::prompt_profile::{PromptProfile, PromptProfiler};

/// Words of the ring that chosen ids are published in.
pub(super) const RING: u32 = 64;
/// Steps of a run whose experts are kept.
pub(super) const TRACE_STEPS: u32 = 64;
/// Tokens queued ahead of the last that was read; fewer than the ring and the trace have room for.
pub(super) const AHEAD: usize = 8;
/// What the ring holds instead of an id where logits are not numbers.
const NO_ID: u32 = u32::MAX;
/// Looks at the ring before the thread gives way to others, and between two questions to the driver.
const SPINS: u32 = 2000;

/// How a token passes through the device.
struct Decoding {
    /// Most tokens of a context, its own included.
    tokens: usize,
    steps: Steps,
    /// A token whose successor the device chooses.
    graph: Graph,
}

impl Decoding {
    fn capture(
        stream: &Stream,
        kernels: &Decode,
        (steps, tokens): (&Steps, usize),
    ) -> Result<Self, CudaError> {
        let steps = steps.in_context(tokens);
        let graph = stream.capture(|stream| {
            for (index, stage) in steps.stages().enumerate() {
                kernels.launch(stream, stage, index)?;
            }
            Ok(())
        })?;
        Ok(Self {
            tokens,
            steps,
            graph,
        })
    }
}

/// A model whose weights are on the device.
pub(super) struct Runner {
    steps: Steps,
    /// From the shortest contexts to the longest.
    decodings: Vec<Decoding>,
    batch: BatchPlan,
    /// All of the plan's memory.
    memory: Span,
    stream: Stream,
    /// For reading what a token left behind while later ones run.
    beside: Stream,
    ring: HostWords,
    token: Span,
    ids: Span,
    logits: Span,
    trace: Span,
    /// The residual stream.
    x: Span,
    layers: usize,
    used: usize,
}

impl Runner {
    /// Captures the graphs of `plan`, which lies in `memory` and publishes to `ring`.
    ///
    /// # Errors
    ///
    /// [`CudaError`].
    pub fn new(
        cuda: &Cuda,
        kernels: &Decode,
        plan: Plan,
        (memory, ring): (Span, HostWords),
        (layers, used, context, vocabulary): (usize, usize, usize, usize),
    ) -> Result<Self, CudaError> {
        let stream = Stream::new(cuda)?;
        let span = |at: Address, bytes: u64| {
            let offset = at.0.saturating_sub(memory.address());
            memory.part(offset, bytes)
        };
        let buffers = &plan.buffers;
        let trace_bytes = u64::from(buffers.trace_stride) * u64::from(buffers.trace_steps) * 4;
        Ok(Self {
            decodings: [tuning::JOINED_CONTEXT, tuning::SHORT_CONTEXT, usize::MAX]
                .into_iter()
                .map(|tokens| Decoding::capture(&stream, kernels, (&plan.steps, tokens)))
                .collect::<Result<_, _>>()?,
            steps: plan.steps,
            beside: Stream::new(cuda)?,
            ring,
            token: span(buffers.token, TOKEN_BYTES)?,
            ids: span(buffers.forced, context as u64 * 4)?,
            logits: span(buffers.logits, vocabulary as u64 * 4)?,
            trace: span(buffers.trace, trace_bytes)?,
            x: span(buffers.x, u64::from(buffers.embedding) * 4)?,
            layers,
            used,
            stream,
            batch: plan.batch,
            memory,
        })
    }

    /// How the token behind `position` tokens passes.
    fn decoding(&self, position: usize) -> &Decoding {
        let shorter = self
            .decodings
            .partition_point(|decoding| decoding.tokens <= position);
        // The last is for all contexts.
        &self.decodings[shorter.min(self.decodings.len() - 1)]
    }

    /// Bytes of the plan.
    pub fn device_bytes(&self) -> u64 {
        self.memory.bytes()
    }

    /// Begins a run behind `position` tokens with `ids`, of which there is at least one.
    ///
    /// # Errors
    ///
    /// [`CudaError`].
    pub fn begin(&self, kernels: &Decode, position: usize, ids: &[u32]) -> Result<(), CudaError> {
        self.stream.synchronize()?;
        // Nothing is under way that could still publish.
        self.ring.clear();
        self.stream.upload(ids, self.ids)?;
        let token = first_token(position, ids.len());
        self.stream.upload(&token.words(), self.token)?;
        kernels.launch(&self.stream, &self.steps.next_token.stage, 0)
    }

    /// Processes `ids`, of which there is at least one, behind `position` tokens; what follows the last is chosen as behind
    /// a single token, and its experts are those of step 0.
    ///
    /// # Errors
    ///
    /// [`CudaError`].
    pub fn prefill(
        &self,
        decode: &Decode,
        prefill: &Prefill,
        position: usize,
        ids: &[u32],
    ) -> Result<(), CudaError> {
        self.stream.synchronize()?;
        // Nothing is under way that could still publish.
        self.ring.clear();
        self.stream.upload(ids, self.ids)?;
        // A context has no more tokens than 32 bits count.
        let (mut done, mut tokens) = (0, 0);
        while done < ids.len() {
            tokens = (ids.len() - done).min(self.batch.tokens as usize);
            let batch = Batch {
                ids: Address(self.ids.address()).offset(done as u64 * 4),
                position: (position + done) as u32,
                tokens: tokens as u32,
            };
            for work in &self.batch.work {
                prefill.launch(&self.stream, work, batch)?;
            }
            done += tokens;
        }
        for row in &self.batch.ending {
            let last = row
                .from
                .at
                .offset((tokens - 1) as u64 * u64::from(row.from.stride) * 4);
            let [from, to] = [last, row.to].map(|at| self.span(at, row.bytes));
            self.stream.copy(from?, to?)?;
        }
        let token = Token {
            position: (position + ids.len() - 1) as u32,
            taken: 0,
            forced: 0,
            step: 0,
            best: 0,
        };
        self.stream.upload(&token.words(), self.token)?;
        let steps = &self.steps;
        for stage in [&steps.head.stage, &steps.next_token.stage] {
            decode.launch(&self.stream, stage, 0)?;
        }
        Ok(())
    }

    fn span(&self, at: Address, bytes: u64) -> Result<Span, CudaError> {
        let offset = at.0.saturating_sub(self.memory.address());
        self.memory.part(offset, bytes)
    }

    /// Queues the token behind `position` tokens, whose successor the device chooses.
    ///
    /// # Errors
    ///
    /// [`CudaError`].
    pub fn queue(&self, position: usize) -> Result<(), CudaError> {
        self.stream.replay(&self.decoding(position).graph)
    }

    /// [`queue`](Self::queue) without the graph, stage by stage; gives the residual stream with which each layer begins,
    /// \[layers\]\[embedding\].
    ///
    /// # Errors
    ///
    /// [`CudaError`] of anything queued.
    pub fn queue_by_layers(
        &self,
        kernels: &Decode,
        position: usize,
    ) -> Result<Vec<f32>, CudaError> {
        let steps = &self.decoding(position).steps;
        let count = (self.x.bytes() / 4) as usize;
        let mut layers = Vec::with_capacity(self.layers * count);
        for (index, stage) in steps.stages().enumerate() {
            kernels.launch(&self.stream, stage, index)?;
            if steps.begins.contains(&index) {
                layers.extend(self.stream.download::<f32>(self.x, count)?);
            }
        }
        Ok(layers)
    }

    /// Takes a token behind `position` tokens apart, whatever they were; the context is good for nothing but a new
    /// beginning. It has room for [`PROFILED`](Self::PROFILED) tokens more.
    ///
    /// # Errors
    ///
    /// [`CudaError`].
    pub fn profile(
        &self,
        cuda: &Cuda,
        kernels: &Decode,
        position: usize,
    ) -> Result<Profile, CudaError> {
        let profiler = self.profiler(cuda, kernels);
        let Decoding { steps, graph, .. } = self.decoding(position);
        profiler.fill(steps)?;
        self.begin(kernels, position, &[0])?;
        let token_ns = profiler.median(graph)?;
        self.begin(kernels, position, &[0])?;
        let parts = profiler.parts(steps, position, token_ns)?;
        Ok(Profile {
            position,
            parts,
            token_ns,
        })
    }

    /// Gives caches and recurrent state contents, as if tokens had been computed.
    ///
    /// # Errors
    ///
    /// [`CudaError`].
    pub fn fill(&self, cuda: &Cuda, kernels: &Decode) -> Result<(), CudaError> {
        self.profiler(cuda, kernels).fill(&self.steps)?;
        self.wait()
    }

    fn profiler<'a>(&'a self, cuda: &'a Cuda, kernels: &'a Decode) -> Profiler<'a> {
        Profiler {
            cuda,
            kernels,
            stream: &self.stream,
            memory: self.memory,
        }
    }

    /// Takes a prompt of `ids`, of which there is at least one, apart; the context is good for nothing but a new beginning.
    ///
    /// # Errors
    ///
    /// [`CudaError`].
    pub fn profile_prompt(
        &self,
        cuda: &Cuda,
        (decode, prefill): (&Decode, &Prefill),
        ids: &[u32],
    ) -> Result<PromptProfile, CudaError> {
        let profiler = PromptProfiler {
            cuda,
            stream: &self.stream,
            kernels: prefill,
            plan: &self.batch,
            ids: Address(self.ids.address()),
        };
        profiler.prompt(ids.len(), || self.prefill(decode, prefill, 0, ids))
    }

    /// Tokens that a profile needs room for.
    pub const PROFILED: usize = Profiler::REPLAYS;

    /// Waits until everything queued has ended.
    ///
    /// # Errors
    ///
    /// [`CudaError`] of anything queued.
    pub fn wait(&self) -> Result<(), CudaError> {
        self.stream.synchronize()
    }

    /// Waits for the id chosen behind the token at `position`; none where logits are not numbers.
    ///
    /// # Errors
    ///
    /// [`CudaError`] of anything queued.
    pub fn choice(&self, position: usize) -> Result<Option<u32>, CudaError> {
        let (slot, tag) = (position % RING as usize, position as u64 + 1);
        let published = || {
            let entry = self.ring.get(slot);
            (entry >> 32 == tag).then_some(entry as u32)
        };
        loop {
            for _ in 0..SPINS {
                if let Some(id) = published() {
                    return Ok((id != NO_ID).then_some(id));
                }
                std::hint::spin_loop();
            }
            // Once nothing is queued any more, what is not there will not come.
            if self.stream.is_idle()? {
                return Ok(published().filter(|id| *id != NO_ID));
            }
            thread::yield_now();
        }
    }

    /// The logits behind the last token that the device chose a successor for.
    ///
    /// # Errors
    ///
    /// [`CudaError`].
    pub fn logits(&self) -> Result<Vec<f32>, CudaError> {
        self.beside
            .download(self.logits, (self.logits.bytes() / 4) as usize)
    }

    /// The experts of token `step` of this run, which has been computed and is none of the oldest.
    ///
    /// # Errors
    ///
    /// [`CudaError`].
    pub fn routing(&self, step: usize) -> Result<Vec<Vec<u32>>, CudaError> {
        let bytes = (self.layers * self.used * 4) as u64;
        let slot = (step % TRACE_STEPS as usize) as u64;
        let of_step = self.trace.part(slot * bytes, bytes)?;
        let ids: Vec<u32> = self.beside.download(of_step, self.layers * self.used)?;
        Ok(ids.chunks(self.used.max(1)).map(<[u32]>::to_vec).collect())
    }
}
