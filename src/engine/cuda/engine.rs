//! A file opened on a GPU: what is asked is checked here, then queued on the device.

use std::cell::OnceCell;
use std::path::Path;

use crate::device::cuda::{Arena, Cuda, CudaError, HostWords, Stream};
use crate::engine::{Device, EachToken, Engine, EngineError, Options, Profile, limits};
use crate::gguf::{Gguf, TensorInfo};
use crate::kernels::KernelError;
use crate::kernels::decode::Decode;
use crate::kernels::prefill::Prefill;
use crate::model::Architecture;

use super::memory;
use super::plan::{Place, Plan, plan};
use super::planner::Source;
use super::prompt_profile::PromptProfile;
use super::run::{AHEAD, RING, Runner, TRACE_STEPS};
use super::upload::upload;

/// A base for plans that are only asked for their size.
const NOWHERE: u64 = 1 << 20;

/// A model on an NVIDIA GPU, the first that CUDA shows.
///
/// Weights keep the file's bytes, the KV cache is f16, recurrent state and activations are f32. Every sum has one order:
/// the same tokens give the same bits, however they are divided into calls.
pub struct CudaEngine {
    architecture: Architecture,
    context: usize,
    position: usize,
    /// The greedy choice behind the last token; none where its logits are not numbers.
    choice: Option<u32>,
    /// Number of the last token in its run; none while there is no token.
    last_step: Option<usize>,
    /// Read from the device when they are asked for.
    logits: OnceCell<Vec<f32>>,
    routing: OnceCell<Vec<Vec<u32>>>,
    runner: Runner,
    kernels: Decode,
    prefill: Prefill,
    /// Weights, caches, state, buffers.
    _memory: Arena,
    // Last: everything above needs the context to be released.
    cuda: Cuda,
}

impl CudaEngine {
    /// Opens the model file at `path` and copies its weights to the GPU.
    ///
    /// # Errors
    ///
    /// `Unavailable` without a GPU, a driver or kernels; `File`, `Model`, `TensorType` and `Unsupported` for a file that
    /// holds none of the two models, or one that there are no kernels for; `Context`; `OutOfMemory` before anything is
    /// allocated; `Device`.
    pub fn open(path: &Path, options: Options) -> Result<Self, EngineError> {
        let cuda = Cuda::open(0).map_err(|error| unavailable(&KernelError::Cuda(error)))?;
        let kernels = Decode::load(&cuda).map_err(|error| unavailable(&error))?;
        let prefill = Prefill::load(&cuda).map_err(|error| unavailable(&error))?;
        let file = Gguf::open(path)?;
        let architecture = Architecture::read(file.metadata(), file.tensors())?;
        architecture.check_tensors(file.tensors())?;
        let context = limits::context(&architecture, options.context)?;

        let bytes = |tensor: &TensorInfo| file.bytes(tensor);
        let source = Source::of(&file, &bytes);
        let place = Place {
            base: NOWHERE,
            ring: NOWHERE,
            ring_size: RING,
            trace_steps: TRACE_STEPS,
            sm_count: cuda.facts().sm_count,
            splits_most: options.attention_splits,
        };
        let plan = |context, place| plan(&architecture, &source, context, place);
        let total = cuda.facts().memory_bytes;
        let free = memory::within(options.memory_limit, cuda.free_bytes()?, total);
        memory::check(context, free, |context| {
            plan(context, place).map(|plan: Plan| plan.bytes)
        })?;
        let needed = plan(context, place)?.bytes;
        let mut arena = Arena::new(&cuda, needed)?;
        let span = arena.take(needed)?;
        let ring = HostWords::new(&cuda, RING as usize)?;
        let place = Place {
            base: span.address(),
            ring: ring.address(),
            ..place
        };
        let plan = plan(context, place)?;
        upload(&cuda, &Stream::new(&cuda)?, &kernels, &file, &plan, span)?;
        let (_, used) = architecture.experts();
        let sizes = (
            architecture.layers().len(),
            used as usize,
            context,
            architecture.vocabulary() as usize,
        );
        Ok(Self {
            runner: Runner::new(&cuda, &kernels, plan, (span, ring), sizes)?,
            architecture,
            context,
            position: 0,
            choice: None,
            last_step: None,
            logits: OnceCell::new(),
            routing: OnceCell::new(),
            kernels,
            prefill,
            _memory: arena,
            cuda,
        })
    }

    /// Tokens that a context must have room for behind the position of a profile.
    pub const PROFILED: usize = Runner::PROFILED;

    /// Takes a prompt of `tokens` made-up tokens apart; the context is empty afterwards.
    ///
    /// # Errors
    ///
    /// `ContextFull` without room for it; `Device`.
    pub fn profile_prompt(&mut self, tokens: usize) -> Result<PromptProfile, EngineError> {
        limits::check_room(self.context, 0, tokens)?;
        let vocabulary = self.architecture.vocabulary();
        let id = |n: u64| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) % vocabulary;
        let ids: Vec<u32> = (0..tokens.max(1) as u64).map(|n| id(n) as u32).collect();
        let kernels = (&self.kernels, &self.prefill);
        let profile = self.runner.profile_prompt(&self.cuda, kernels, &ids);
        self.reset();
        Ok(profile?)
    }

    /// Notes that a run of `tokens` has appended them, and what was chosen behind the last.
    fn appended(&mut self, tokens: usize, choice: Option<u32>) {
        self.position += tokens;
        self.choice = choice;
        self.last_step = Some(tokens - 1);
        self.logits = OnceCell::new();
        self.routing = OnceCell::new();
    }

    /// Appends one token, which `queue` queues.
    fn append<T>(
        &mut self,
        id: u32,
        queue: impl FnOnce(&Runner, &Decode, usize) -> Result<T, CudaError>,
    ) -> Result<T, EngineError> {
        limits::check_ids(&[id], self.architecture.vocabulary())?;
        limits::check_room(self.context, self.position, 1)?;
        let runner = &self.runner;
        runner.begin(&self.kernels, self.position, &[id])?;
        let queued = queue(runner, &self.kernels, self.position)?;
        runner.wait()?;
        let choice = runner.choice(self.position)?;
        self.appended(1, choice);
        Ok(queued)
    }

    /// Appends `first` and all tokens chosen behind it but the last, `tokens` in number, and hands over each choice. The
    /// id chosen last, or none if `each` ended it.
    fn decode(
        &mut self,
        first: u32,
        steps: std::ops::Range<usize>,
        traced: &[u32],
        each: EachToken,
    ) -> Result<Option<u32>, EngineError> {
        let (runner, position) = (&self.runner, self.position);
        runner.begin(&self.kernels, position, &[first])?;
        let tokens = steps.len();
        let (mut queued, mut last) = (0, None);
        for (done, step) in steps.enumerate() {
            while queued < tokens.min(done + AHEAD) {
                runner.queue(position + queued)?;
                queued += 1;
            }
            let id = runner.choice(position + done)?.ok_or(EngineError::Logits {
                position: position + done + 1,
            })?;
            let routing = match is_traced(traced, step) {
                true => runner.routing(done)?,
                false => Vec::new(),
            };
            if each(id, &routing).is_break() {
                return Ok(None);
            }
            last = Some(id);
        }
        runner.wait()?;
        Ok(last)
    }
}

impl Engine for CudaEngine {
    fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    fn position(&self) -> usize {
        self.position
    }

    fn context(&self) -> usize {
        self.context
    }

    fn device_bytes(&self) -> Option<u64> {
        Some(self.runner.device_bytes())
    }

    fn reset(&mut self) {
        // Caches and state are those of position 0 as soon as a token is computed there.
        self.position = 0;
        self.choice = None;
        self.last_step = None;
        self.logits = OnceCell::new();
        self.routing = OnceCell::new();
    }

    fn prefill(&mut self, ids: &[u32]) -> Result<(), EngineError> {
        limits::check_ids(ids, self.architecture.vocabulary())?;
        limits::check_room(self.context, self.position, ids.len())?;
        if ids.is_empty() {
            return Ok(());
        }
        let (runner, position) = (&self.runner, self.position);
        runner.prefill(&self.kernels, &self.prefill, position, ids)?;
        runner.wait()?;
        let choice = runner.choice(position + ids.len() - 1)?;
        self.appended(ids.len(), choice);
        // Experts of the last token alone are kept.
        self.last_step = Some(0);
        Ok(())
    }

    fn step(&mut self, id: u32) -> Result<(), EngineError> {
        self.append(id, |runner, _, position| runner.queue(position))
    }

    fn step_by_layers(&mut self, id: u32) -> Result<Vec<f32>, EngineError> {
        self.append(id, Runner::queue_by_layers)
    }

    fn generate(
        &mut self,
        pending: Option<u32>,
        tokens: usize,
        traced: &[u32],
        each: EachToken,
    ) -> Result<(), EngineError> {
        if tokens == 0 {
            return Ok(());
        }
        limits::check_ids(pending.as_slice(), self.architecture.vocabulary())?;
        let appended = tokens - usize::from(pending.is_none());
        limits::check_room(self.context, self.position, appended)?;
        let first = match pending {
            Some(id) => id,
            None => {
                let id = self.choice.ok_or(EngineError::Logits {
                    position: self.position,
                })?;
                let routing = match is_traced(traced, 0) {
                    true => self.routing(),
                    false => &[],
                };
                if each(id, routing).is_break() || tokens == 1 {
                    return Ok(());
                }
                id
            }
        };
        match self.decode(first, tokens - appended..tokens, traced, each) {
            Ok(Some(last)) => {
                self.appended(appended, Some(last));
                Ok(())
            }
            outcome => {
                // The device may be ahead of what was handed over.
                let waited = self.runner.wait();
                self.reset();
                outcome?;
                Ok(waited?)
            }
        }
    }

    fn fill(&mut self, tokens: usize) -> Result<(), EngineError> {
        limits::check_room(self.context, 0, tokens)?;
        self.reset();
        self.runner.fill(&self.cuda, &self.kernels)?;
        self.position = tokens;
        Ok(())
    }

    fn profile(&mut self, position: usize) -> Result<Profile, EngineError> {
        limits::check_room(self.context, position, Self::PROFILED)?;
        let profile = self.runner.profile(&self.cuda, &self.kernels, position);
        self.reset();
        Ok(profile?)
    }

    /// Empty too where the device has failed; the next call says why.
    fn logits(&self) -> &[f32] {
        match self.last_step {
            Some(_) => self
                .logits
                .get_or_init(|| self.runner.logits().unwrap_or_default()),
            None => &[],
        }
    }

    /// Empty too where the device has failed; the next call says why.
    fn routing(&self) -> &[Vec<u32>] {
        match self.last_step {
            Some(step) => self
                .routing
                .get_or_init(|| self.runner.routing(step).unwrap_or_default()),
            None => &[],
        }
    }
}

impl Drop for CudaEngine {
    fn drop(&mut self) {
        // What is under way reads memory that is freed next.
        let _ = self.cuda.synchronize();
    }
}

fn is_traced(traced: &[u32], step: usize) -> bool {
    traced.iter().any(|at| *at as usize == step)
}

fn unavailable(error: &KernelError) -> EngineError {
    EngineError::Unavailable {
        device: Device::Cuda,
        reason: error.to_string(),
        hint: error.hint(),
    }
}
