//! Opens a model file on the device that was asked for: the one place that knows which engines there are.

use std::fmt;
use std::path::Path;

use super::cpu::CpuEngine;
use super::cuda::CudaEngine;
use super::{Engine, EngineError};

/// A kind of device that an engine may run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// The host's processor.
    Cpu,
    /// An NVIDIA GPU.
    Cuda,
}

/// How to open a model. The default suits a short conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Most tokens that the context may hold; `None` for 4096, or the model's own limit if that is less.
    pub context: Option<usize>,
    /// Threads that compute; `None` for one per processor that this process may use. No result depends on it.
    pub threads: Option<usize>,
    /// Most bytes of a GPU's memory that may be in use, by whomever; `None` for all. What a smaller GPU could hold is found
    /// out so on a larger one.
    pub memory_limit: Option<u64>,
    /// Most parts that attention on a GPU cuts a context into; `None` for as many as fill it. Another number is another order
    /// of sums, as on a GPU of another size.
    pub attention_splits: Option<u32>,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Device::Cpu => "cpu",
            Device::Cuda => "cuda",
        })
    }
}

/// Opens the model file at `path` on `device`.
///
/// # Errors
///
/// `Unavailable` for a device without an engine; the rest as the device's own engine.
pub fn open(device: Device, path: &Path, options: Options) -> Result<Box<dyn Engine>, EngineError> {
    match device {
        Device::Cpu => Ok(Box::new(CpuEngine::open(path, options)?)),
        Device::Cuda => Ok(Box::new(CudaEngine::open(path, options)?)),
    }
}
