//! A file opened as an engine: what is asked is checked here, then passed to the network on a pool of threads.

use std::path::Path;
use std::sync::Arc;
use std::thread;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::engine::{Device, Engine, EngineError, Options, limits};
use crate::gguf::Gguf;
use crate::model::Architecture;

use super::memory;
use super::network::Network;

/// A model on the host's processor.
///
/// Activations, KV cache and recurrent state are `f32`; nothing is rounded to fewer bits, so results differ from exact
/// ones by the rounding of single precision alone. They are the same for any number of threads and any division of the
/// tokens into calls.
pub struct CpuEngine {
    architecture: Architecture,
    pool: ThreadPool,
    context: usize,
    network: Network,
}

impl CpuEngine {
    /// Opens the model file at `path`, which stays mapped while the engine lives.
    ///
    /// # Errors
    ///
    /// `File` and `Model` if it holds none of the two models, `TensorType` for a quantisation that is not known,
    /// `Context` for one of no tokens or beyond the model's own, `OutOfMemory` and `Allocation` for one that does not fit,
    /// `Threads`; `MemoryLimit` for any.
    pub fn open(path: &Path, options: Options) -> Result<Self, EngineError> {
        if let Some(bytes) = options.memory_limit {
            let device = Device::Cpu;
            return Err(EngineError::MemoryLimit { device, bytes });
        }
        let file = Arc::new(Gguf::open(path)?);
        let architecture = Architecture::read(file.metadata(), file.tensors())?;
        architecture.check_tensors(file.tensors())?;
        let context = limits::context(&architecture, options.context)?;
        memory::check(&architecture, context)?;

        Ok(CpuEngine {
            network: Network::new(&architecture, &file, context)?,
            pool: pool(options.threads)?,
            architecture,
            context,
        })
    }

    /// Probability of every routed expert for the last token, \[layers\]\[experts\]: the softmax of the router's logits
    /// over all experts; empty while there is no token.
    pub fn router(&self) -> &[Vec<f32>] {
        self.network.router()
    }

    /// Whether all of `ids` may be appended.
    fn check(&self, ids: &[u32]) -> Result<(), EngineError> {
        limits::check_ids(ids, self.architecture.vocabulary())?;
        limits::check_room(self.context, self.position(), ids.len())
    }
}

impl Engine for CpuEngine {
    fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    fn position(&self) -> usize {
        self.network.position()
    }

    fn context(&self) -> usize {
        self.context
    }

    fn reset(&mut self) {
        self.network.reset();
    }

    fn prefill(&mut self, ids: &[u32]) -> Result<(), EngineError> {
        self.check(ids)?;
        let CpuEngine { pool, network, .. } = self;
        pool.install(|| network.append(ids));
        Ok(())
    }

    fn step_by_layers(&mut self, id: u32) -> Result<Vec<f32>, EngineError> {
        self.check(&[id])?;
        let CpuEngine { pool, network, .. } = self;
        Ok(pool.install(|| network.append_by_layers(id)))
    }

    fn logits(&self) -> &[f32] {
        self.network.logits()
    }

    fn routing(&self) -> &[Vec<u32>] {
        self.network.routing()
    }
}

fn pool(asked: Option<usize>) -> Result<ThreadPool, EngineError> {
    let threads = asked.unwrap_or_else(|| thread::available_parallelism().map_or(1, |n| n.get()));
    let refused = |reason: String| EngineError::Threads { threads, reason };
    if threads == 0 {
        return Err(refused("at least one is needed".to_owned()));
    }
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("cpu-engine-{index}"))
        .build()
        .map_err(|error| refused(error.to_string()))
}
