//! What can be wrong with the driver, a device or a launch, each as one line.

use cudarc::driver::sys::CUresult;

/// Why CUDA cannot be used, or what it refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CudaError {
    /// No libcuda.
    #[error("no NVIDIA driver: libcuda.so.1 was not found")]
    NoDriver,
    /// libcuda is a stub or incomplete.
    #[error("{path} is not a usable NVIDIA driver: {why}")]
    BadDriver {
        /// The library.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The driver is older than the bindings.
    #[error("the NVIDIA driver supports CUDA {found}, this program needs {needed} or newer")]
    OldDriver {
        /// What the driver supports.
        found: String,
        /// What is needed.
        needed: String,
    },
    /// The driver is there and cannot start.
    #[error("the NVIDIA driver does not start: cuInit returned {code}")]
    NotStarted {
        /// The driver's error name.
        code: String,
    },
    /// No such device.
    #[error("no CUDA device {ordinal}: the driver shows {count}")]
    NoDevice {
        /// Asked for.
        ordinal: u32,
        /// Present.
        count: u32,
    },
    /// The device is held exclusively by another process, or forbids contexts.
    #[error("GPU {ordinal} refuses a context: {why}")]
    Busy {
        /// Device ordinal.
        ordinal: u32,
        /// The driver's reason.
        why: String,
    },
    /// The image has no code for this device.
    #[error("image {family} has no code for sm_{capability}; it has {built}")]
    NoImage {
        /// Image family.
        family: String,
        /// The device's capability, e.g. `90`.
        capability: String,
        /// Architectures in the image.
        built: String,
    },
    /// The image lacks a kernel.
    #[error("image {family} has no kernel {kernel}")]
    NoKernel {
        /// Image family.
        family: String,
        /// The kernel.
        kernel: String,
    },
    /// Not enough device memory.
    #[error("not enough GPU memory: {needed} bytes needed, {free} bytes free")]
    OutOfMemory {
        /// Bytes asked for.
        needed: u64,
        /// Bytes free at that time.
        free: u64,
    },
    /// Not enough device memory for what the driver needs itself.
    #[error("not enough GPU memory for {call}")]
    NoMemoryFor {
        /// The driver function.
        call: &'static str,
    },
    /// Arguments do not fit the kernel's parameters.
    #[error("kernel {kernel} takes parameters of {expected:?} bytes, got {found:?}")]
    Arguments {
        /// The kernel.
        kernel: String,
        /// Sizes declared by the image.
        expected: Vec<usize>,
        /// Sizes passed.
        found: Vec<usize>,
    },
    /// A copy or fill outside its span.
    #[error("{what} of {bytes} bytes does not fit a span of {span} bytes")]
    OutOfSpan {
        /// The operation.
        what: &'static str,
        /// Its size.
        bytes: u64,
        /// The span's size.
        span: u64,
    },
    /// Any other refusal.
    #[error("{call} failed: {code}")]
    Call {
        /// The driver function.
        call: &'static str,
        /// The driver's error name.
        code: String,
    },
}

impl CudaError {
    /// The next step, where there is one.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoDriver => "install the NVIDIA driver, or use `--device cpu`",
            Self::BadDriver { .. } => {
                "check LD_LIBRARY_PATH: a toolkit's stubs directory must not be on it"
            }
            Self::OldDriver { .. } => "update the driver to branch 580 or newer",
            Self::NoDevice { .. } => {
                "list the devices with `nvidia-smi -L`, look at CUDA_VISIBLE_DEVICES, or use `--device cpu`"
            }
            Self::Busy { .. } => "stop the process that holds the GPU (`nvidia-smi` lists it)",
            Self::NoImage { .. } => {
                "build for this architecture, which kernels/build.json must name"
            }
            Self::NotStarted { .. } => "see what `nvidia-smi` says; after a driver update, reboot",
            Self::OutOfMemory { .. } | Self::NoMemoryFor { .. } => {
                "stop other processes on the GPU (`nvidia-smi` lists them)"
            }
            Self::NoKernel { .. }
            | Self::Arguments { .. }
            | Self::OutOfSpan { .. }
            | Self::Call { .. } => return None,
        };
        Some(hint.into())
    }

    /// Whether device memory is what is missing.
    pub fn is_out_of_memory(&self) -> bool {
        matches!(self, Self::OutOfMemory { .. } | Self::NoMemoryFor { .. })
    }
}

/// Turns a driver status into a result.
pub(super) fn check(call: &'static str, status: CUresult) -> Result<(), CudaError> {
    match status {
        CUresult::CUDA_SUCCESS => Ok(()),
        CUresult::CUDA_ERROR_OUT_OF_MEMORY => Err(CudaError::NoMemoryFor { call }),
        other => Err(CudaError::Call {
            call,
            code: format!("{other:?}"),
        }),
    }
}
