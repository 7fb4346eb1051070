//! A failure of whichever device is in use.

use super::{cpu::CpuError, cuda::CudaError};

/// What a device refused.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The GPU.
    #[error(transparent)]
    Cuda(#[from] CudaError),
    /// The processor.
    #[error(transparent)]
    Cpu(#[from] CpuError),
}

impl DeviceError {
    /// The next step, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Cuda(error) => error.hint(),
            Self::Cpu(error) => error.hint(),
        }
    }
}
