//! The GPU as the memory family uses it: context, stream, timer and both images.

use crate::{
    device::{
        DeviceError,
        cuda::{Arena, Cuda, Stream},
    },
    kernels::{Calibration, KernelError, Memory},
    measure::GpuTimer,
    result::ImageRecord,
};

/// An opened GPU with its kernels.
pub struct Gpu {
    pub(super) calibration: Calibration,
    pub(super) memory: Memory,
    pub(super) timer: GpuTimer,
    pub(super) stream: Stream,
    // Last: everything above needs the context to be released.
    cuda: Cuda,
}

impl Gpu {
    /// Opens device `ordinal` and loads the images.
    ///
    /// # Errors
    ///
    /// [`KernelError`].
    pub fn open(ordinal: u32) -> Result<Self, KernelError> {
        let cuda = Cuda::open(ordinal)?;
        Ok(Self {
            calibration: Calibration::load(&cuda)?,
            memory: Memory::load(&cuda)?,
            timer: GpuTimer::new(&cuda)?,
            stream: Stream::new(&cuda)?,
            cuda,
        })
    }

    /// The context.
    pub fn cuda(&self) -> &Cuda {
        &self.cuda
    }

    /// The images as loaded.
    pub fn images(&self) -> Vec<ImageRecord> {
        vec![
            self.calibration.record().clone(),
            self.memory.record().clone(),
        ]
    }

    /// Memory for a case.
    ///
    /// # Errors
    ///
    /// [`CudaError::OutOfMemory`](crate::device::cuda::CudaError::OutOfMemory).
    pub fn arena(&self, bytes: u64) -> Result<Arena, DeviceError> {
        Ok(Arena::new(&self.cuda, bytes)?)
    }
}
