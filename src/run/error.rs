//! Why a session cannot begin or go on.

use std::path::PathBuf;

use crate::{
    bench::e2e::WeightsError,
    build_info::BuildInfoError,
    device::{DeviceError, cpu::CpuError, cuda::CudaError},
    kernels::KernelError,
    prompt::PromptError,
};

/// Why a session cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No such family.
    #[error("unknown family {found}; there is {known}")]
    UnknownFamily {
        /// Asked for.
        found: String,
        /// Those that exist.
        known: String,
    },
    /// No case has an id that was asked for.
    #[error("no case of {families} has an id that contains {}", only.join(" or "))]
    NoSuchCase {
        /// Texts asked for.
        only: Vec<String>,
        /// Families searched.
        families: String,
    },
    /// Weights cannot be used.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The corpus cannot be read.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// The corpus is not the one that a target pins.
    #[error("expected the corpus {name} of target {target}, SHA-256 {expected}, found {found} in {}", path.display())]
    OtherCorpus {
        /// The file.
        path: PathBuf,
        /// The target.
        target: String,
        /// What the pinned text is called.
        name: String,
        /// Its SHA-256.
        expected: String,
        /// SHA-256 of the file.
        found: String,
    },
    /// An engine on a GPU has no weights by itself.
    #[error("family e2e needs weights on a GPU")]
    NoWeights,
    /// An option that is about generations.
    #[error("expected a generation for {option}, found none in the plan")]
    NothingGenerated {
        /// The option.
        option: &'static str,
    },
    /// A limit that nobody would keep.
    #[error("expected {expected} to hold to a memory limit, found {found}")]
    MemoryLimit {
        /// Who keeps one.
        expected: &'static str,
        /// Who was asked to.
        found: String,
    },
    /// No case fits into the device's memory.
    #[error("not enough memory: the smallest case needs {needed} bytes, {free} bytes may be used")]
    NoCaseFits {
        /// Bytes of the smallest case.
        needed: u64,
        /// Bytes that cases may take.
        free: u64,
    },
    /// The GPU cannot be used.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// A device refused something.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The record of the build is damaged.
    #[error(transparent)]
    BuildInfo(#[from] BuildInfoError),
    /// No random seed can be had.
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

impl RunError {
    /// The next step, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownFamily { .. } => Some("run without a family for all of them".into()),
            Self::NoSuchCase { .. } => {
                Some("`sparkbench run --dry-run` lists the ids of all cases".into())
            }
            Self::Weights(error) => error.hint(),
            Self::Prompt(error) => error.hint(),
            Self::OtherCorpus { .. } => {
                Some("the target's `corpus.source` says where the text is from".into())
            }
            Self::NoWeights => Some(
                "give --weights FILE, or --weights synthetic to make files of about 20 GB".into(),
            ),
            Self::NothingGenerated { option } => Some(format!(
                "leave out {option}, or run family e2e with --weights FILE or --weights synthetic"
            )),
            Self::MemoryLimit { .. } => Some("leave out --memory-limit".into()),
            Self::NoCaseFits { .. } => {
                Some("stop other processes that use the device's memory".into())
            }
            Self::Kernel(error) => error.hint(),
            Self::Device(error) => error.hint(),
            Self::BuildInfo(error) => error.hint(),
            Self::Random(_) => None,
        }
    }

    /// Whether memory is what is missing.
    pub fn is_out_of_memory(&self) -> bool {
        match self {
            Self::NoCaseFits { .. }
            | Self::Device(DeviceError::Cpu(CpuError::OutOfMemory { .. })) => true,
            Self::Kernel(KernelError::Cuda(error)) | Self::Device(DeviceError::Cuda(error)) => {
                error.is_out_of_memory()
            }
            _ => false,
        }
    }
}

impl From<CudaError> for RunError {
    fn from(error: CudaError) -> Self {
        Self::Device(error.into())
    }
}

impl From<getrandom::Error> for RunError {
    fn from(error: getrandom::Error) -> Self {
        Self::Random(error)
    }
}
