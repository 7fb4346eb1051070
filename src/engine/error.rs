//! Why a model could not be opened or a token not be taken. Knows no exit code.

use thiserror::Error;

use crate::device::cuda::CudaError;
use crate::gguf::GgufError;
use crate::model::ModelError;
use crate::quant::QuantError;
use crate::units::Bytes;

use super::Device;

/// What an engine refuses.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The file is no sound GGUF file.
    #[error(transparent)]
    File(#[from] GgufError),
    /// The file holds another model, or a part of one.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A tensor has a type that the engine cannot read.
    #[error("cannot use tensor {name}: {source}")]
    TensorType {
        /// Tensor name.
        name: String,
        /// What its type lacks.
        source: QuantError,
    },
    /// The device cannot be used: there is none, or no driver, or this build has no engine or no kernels for it.
    #[error("cannot run a model on {device}: {reason}")]
    Unavailable {
        /// The device asked for.
        device: Device,
        /// Why not.
        reason: String,
        /// The next step, where another device is not all that is left.
        hint: Option<String>,
    },
    /// The device has no kernels for a model of this shape, or for a type of tensor.
    #[error("cannot run {what} on {device}: expected {expected}, found {found}")]
    Unsupported {
        /// The device asked for.
        device: Device,
        /// Which part of the model.
        what: String,
        /// What there are kernels for.
        expected: String,
        /// What the model has.
        found: String,
    },
    /// The device refused something, or failed.
    #[error(transparent)]
    Device(#[from] CudaError),
    /// The model's logits are not numbers.
    #[error("expected logits that are numbers behind token {position}, found others")]
    Logits {
        /// Tokens in the context.
        position: usize,
    },
    /// The threads could not be started.
    #[error("cannot start {threads} threads: {reason}")]
    Threads {
        /// Threads asked for.
        threads: usize,
        /// What the system said.
        reason: String,
    },
    /// The context asked for is none that the model has.
    #[error("expected a context of 1 to {limit} tokens, found {found}")]
    Context {
        /// Tokens asked for.
        found: usize,
        /// Longest context that the model was made for.
        limit: usize,
    },
    /// What the context needs does not fit the memory that is free.
    #[error(
        "expected {} of free memory for a context of {context} tokens, found {}: {} are missing",
        Bytes(*.needed), Bytes(*.available), Bytes(.needed.saturating_sub(*.available))
    )]
    OutOfMemory {
        /// Tokens asked for.
        context: usize,
        /// Bytes that the engine would allocate; weights that stay where the file is mapped are not counted.
        needed: u64,
        /// Bytes that the system can give.
        available: u64,
        /// Longest context that fits; 0 if none does.
        fits: usize,
    },
    /// The device's memory cannot be limited.
    #[error("expected a GPU to hold to a limit of {}, found device {device}", Bytes(*.bytes))]
    MemoryLimit {
        /// The device asked for.
        device: Device,
        /// The limit.
        bytes: u64,
    },
    /// The system refused memory that seemed free.
    #[error("cannot allocate {} for {what}", Bytes(*.bytes))]
    Allocation {
        /// What the memory is for.
        what: &'static str,
        /// Bytes asked for.
        bytes: u64,
    },
    /// An id that the vocabulary does not have.
    #[error("expected token ids below {vocabulary}, found {id}")]
    TokenOutOfRange {
        /// The id.
        id: u32,
        /// Number of tokens that the model knows.
        vocabulary: u64,
    },
    /// The engine of this device cannot do it.
    #[error("expected an engine on a GPU {what}, found another")]
    NotOffered {
        /// What was asked of it.
        what: &'static str,
    },
    /// More tokens than the context may hold.
    #[error("expected at most {context} tokens in the context, found {position} and {added} more")]
    ContextFull {
        /// Most tokens that the context may hold.
        context: usize,
        /// Tokens in it.
        position: usize,
        /// Tokens to be appended.
        added: usize,
    },
}

impl EngineError {
    /// The next step, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            EngineError::File(error) => error.hint(),
            EngineError::Model(error) => error.hint(),
            EngineError::TensorType { source, .. } => source.hint(),
            EngineError::Unavailable {
                hint: Some(hint), ..
            } => Some(hint.clone()),
            EngineError::Unavailable { .. } | EngineError::Unsupported { .. } => {
                Some("run it on the processor with `--device cpu`".to_owned())
            }
            EngineError::Device(error) => error.hint(),
            EngineError::Threads { .. } => Some("ask for fewer threads".to_owned()),
            EngineError::OutOfMemory { fits: 0, .. } => {
                Some("free some memory, or use a machine with more".to_owned())
            }
            EngineError::Allocation { .. } => Some(
                "ask for a shorter context, or raise the limit on this process's memory".to_owned(),
            ),
            EngineError::OutOfMemory { fits, .. } => {
                Some(format!("a context of {fits} tokens fits"))
            }
            EngineError::ContextFull { .. } => Some(
                "ask for a longer context when the model is loaded, or reset it first".to_owned(),
            ),
            EngineError::Context { .. }
            | EngineError::MemoryLimit { .. }
            | EngineError::NotOffered { .. }
            | EngineError::TokenOutOfRange { .. }
            | EngineError::Logits { .. } => None,
        }
    }

    /// Whether memory ran out.
    pub fn is_out_of_memory(&self) -> bool {
        match self {
            EngineError::OutOfMemory { .. } | EngineError::Allocation { .. } => true,
            EngineError::Device(error) => error.is_out_of_memory(),
            _ => false,
        }
    }
}
