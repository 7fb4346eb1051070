//! Choosing and opening the device, and what follows from it for the plan.

use super::{DeviceChoice, Request, RunError};
use crate::{
    bench::{
        Platform,
        memory::{Cpu, Gpu},
    },
    build_info,
    config::{self, Machine},
    device::cuda::{self, CudaError, Facts},
    kernels::KernelError,
    result::{HostRecord, Warning},
    telemetry::cache_total_bytes,
};

/// An opened device.
pub enum Opened {
    /// A GPU with its kernels.
    Gpu(Box<Gpu>),
    /// The processor.
    Cpu(Cpu),
}

/// Whether `error` only says that there is no GPU to use, so that the processor may stand in.
fn means_no_gpu(error: &RunError) -> bool {
    matches!(
        error,
        RunError::Kernel(KernelError::NotBuilt | KernelError::Cuda(CudaError::NoDriver))
            | RunError::Kernel(KernelError::Cuda(CudaError::NoDevice { count: 0, .. }))
    )
}

/// Opens the device that the request chooses; with a warning where the processor stands in for a GPU.
///
/// # Errors
///
/// A GPU that was asked for, or that is there, and cannot be used.
pub fn open(request: &Request) -> Result<(Opened, Option<Warning>), RunError> {
    let gpu = |ordinal| {
        Gpu::open(ordinal)
            .map(|gpu| Opened::Gpu(Box::new(gpu)))
            .map_err(RunError::from)
    };
    let cpu = || {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Cpu::open(threads)
            .map(Opened::Cpu)
            .map_err(|error| RunError::Device(error.into()))
    };
    match request.device {
        DeviceChoice::Cuda(ordinal) => Ok((gpu(ordinal)?, None)),
        DeviceChoice::Cpu => Ok((cpu()?, None)),
        DeviceChoice::Auto => match gpu(0) {
            Ok(gpu) => Ok((gpu, None)),
            Err(error) if means_no_gpu(&error) => {
                let warning = Warning {
                    code: "no_gpu".into(),
                    message: format!("{error}; the processor was measured instead"),
                    hint: error
                        .hint()
                        .unwrap_or_else(|| "run on a machine with an NVIDIA GPU".into()),
                };
                Ok((cpu()?, Some(warning)))
            }
            Err(error) => Err(error),
        },
    }
}

fn has_images() -> bool {
    build_info::images().is_ok_and(|images| !images.is_empty())
}

/// The configuration of the machine that a GPU is: one that a target names, or a built-in one.
pub fn machine_of(facts: &Facts, request: &Request) -> Option<Machine> {
    request
        .targets
        .iter()
        .map(|target| &target.machine)
        .find(|machine| machine.is_device(&facts.name, facts.capability))
        .cloned()
        .or_else(|| config::machine_for_device(&facts.name, facts.capability))
}

/// The processor as a platform.
pub fn of_host(host: &HostRecord) -> Platform {
    Platform::of_host(host, cache_total_bytes().value().copied())
}

/// The platform of a plan that is only printed: the target's machine where one is named, or else what would be opened.
///
/// # Errors
///
/// As [`open`].
pub fn planned_platform(request: &Request, host: &HostRecord) -> Result<Platform, RunError> {
    let named = request.targets.first().map(|target| &target.machine);
    let ordinal = match request.device {
        DeviceChoice::Cpu => return Ok(of_host(host)),
        DeviceChoice::Cuda(ordinal) => ordinal,
        DeviceChoice::Auto => 0,
    };
    match cuda::Cuda::open(ordinal) {
        // As `open` would find.
        Ok(_) if request.device == DeviceChoice::Auto && named.is_none() && !has_images() => {
            Ok(of_host(host))
        }
        Ok(gpu) => {
            let machine = machine_of(gpu.facts(), request);
            match named {
                Some(named) if machine.as_ref() != Some(named) => Ok(Platform::of_machine(named)),
                _ => Ok(Platform::of_gpu(gpu.facts(), machine.as_ref())),
            }
        }
        Err(_) if named.is_some() => Ok(named.map_or_else(|| of_host(host), Platform::of_machine)),
        Err(error) => {
            let error = RunError::Kernel(KernelError::Cuda(error));
            match request.device == DeviceChoice::Auto && means_no_gpu(&error) {
                true => Ok(of_host(host)),
                false => Err(error),
            }
        }
    }
}
