//! What NVML and the kernel module say once about GPU and driver.

use std::collections::BTreeSet;

use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::{Clock, PerformanceState};
use nvml_wrapper::error::NvmlError;

use super::nvml::{Gpu, reason};
use super::quantity::{Quantity, event_reason_names};
use crate::device::library;
use crate::result::{Reading, SharedLibrary};

/// The facts of `GpuRecord` and `DriverRecord` that NVML knows.
#[derive(Debug, Clone, PartialEq)]
pub struct NvmlFacts {
    /// Error correction on.
    pub ecc: Reading<bool>,
    /// Multi-instance mode on.
    pub mig: Reading<bool>,
    /// Power limit in force, in mW.
    pub power_limit_mw: Reading<u64>,
    /// Default power limit, in mW.
    pub power_limit_default_mw: Reading<u64>,
    /// VBIOS version.
    pub vbios: Reading<String>,
    /// Persistence mode on.
    pub persistence: Reading<bool>,
    /// Processes on the GPU other than this one.
    pub other_processes: Reading<u64>,
    /// Version of the driver.
    pub driver_version: Reading<String>,
    /// Version of NVML.
    pub nvml_version: Reading<String>,
    /// libnvidia-ml as loaded.
    pub libnvidia_ml: Reading<SharedLibrary>,
}

impl NvmlFacts {
    /// What NVML says now; without a GPU, its reason everywhere.
    pub fn of(gpu: &Reading<Gpu>) -> Self {
        match gpu.value() {
            Some(gpu) => Self::answered(gpu),
            None => Self::missing(gpu.reason().unwrap_or("no GPU")),
        }
    }

    fn answered(gpu: &Gpu) -> Self {
        let api = &gpu.nvml.api;
        Self {
            ecc: ask(gpu, |device| Ok(device.is_ecc_enabled()?.currently_enabled)),
            mig: ask(gpu, |device| Ok(device.mig_mode()?.current != 0)),
            power_limit_mw: ask(gpu, |device| device.enforced_power_limit().map(u64::from)),
            power_limit_default_mw: ask(gpu, |device| {
                device.power_management_limit_default().map(u64::from)
            }),
            vbios: ask(gpu, Device::vbios_version),
            persistence: ask(gpu, Device::is_in_persistent_mode),
            other_processes: other_processes(gpu),
            driver_version: answer(api.sys_driver_version()),
            nvml_version: answer(api.sys_nvml_version()),
            libnvidia_ml: library::loaded("libnvidia-ml.so"),
        }
    }

    /// No fact, for `reason`: there is no NVML, or it does not list the GPU.
    fn missing(reason: &str) -> Self {
        Self {
            ecc: Reading::missing(reason),
            mig: Reading::missing(reason),
            power_limit_mw: Reading::missing(reason),
            power_limit_default_mw: Reading::missing(reason),
            vbios: Reading::missing(reason),
            persistence: Reading::missing(reason),
            other_processes: Reading::missing(reason),
            driver_version: Reading::missing(reason),
            nvml_version: Reading::missing(reason),
            libnvidia_ml: Reading::missing(reason),
        }
    }
}

/// Everything NVML answers or refuses about `gpu`, as a person reads it: name of the quantity, and its value with unit.
pub fn nvml_report(gpu: &Gpu) -> Vec<(&'static str, Reading<String>)> {
    let facts = NvmlFacts::answered(gpu);
    let mut report = vec![
        ("driver version", facts.driver_version),
        ("nvml version", facts.nvml_version),
        (
            "libnvidia-ml",
            facts.libnvidia_ml.map(|library| library.path),
        ),
        ("name", ask(gpu, Device::name)),
        ("uuid", ask(gpu, Device::uuid)),
        (
            "pci bus id",
            ask(gpu, |device| Ok(device.pci_info()?.bus_id)),
        ),
        ("vbios", facts.vbios),
        ("ecc", facts.ecc.map(on_off)),
        ("mig", facts.mig.map(on_off)),
        ("persistence", facts.persistence.map(on_off)),
        (
            "other processes",
            facts.other_processes.map(|count| count.to_string()),
        ),
        (
            "power limit",
            facts.power_limit_mw.map(|limit| format!("{limit} mW")),
        ),
        (
            "power limit default",
            facts
                .power_limit_default_mw
                .map(|limit| format!("{limit} mW")),
        ),
        (
            "memory total",
            ask(gpu, |device| {
                Ok(format!("{} B", device.memory_info()?.total))
            }),
        ),
        (
            "sm clock max",
            ask(gpu, |device| clock_max(device, Clock::SM)),
        ),
        (
            "memory clock max",
            ask(gpu, |device| clock_max(device, Clock::Memory)),
        ),
        (
            "sm clock offset",
            ask(gpu, |device| clock_offset(device, Clock::Graphics)),
        ),
        (
            "memory clock offset",
            ask(gpu, |device| clock_offset(device, Clock::Memory)),
        ),
        (
            "performance state",
            ask(gpu, |device| {
                Ok(format!("P{}", device.performance_state()?.as_c()))
            }),
        ),
    ];
    report.extend(Quantity::ALL.map(|quantity| (quantity.name(), shown(gpu, quantity))));
    report
}

/// Version of the NVIDIA kernel module, from its own file.
pub fn kernel_module_version() -> Reading<String> {
    let path = "/proc/driver/nvidia/version";
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"));
    Reading::from_result(text.and_then(|text| {
        module_version(&text).ok_or_else(|| format!("{path} has another form than expected"))
    }))
}

/// The version in the line `NVRM version: …`: the first word made of digits and points.
fn module_version(text: &str) -> Option<String> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("NVRM version:"))?;
    let version = line.split_whitespace().find(|word| {
        word.contains('.') && word.split('.').all(|part| part.parse::<u32>().is_ok())
    })?;
    Some(version.to_owned())
}

fn ask<'a, T>(
    gpu: &'a Gpu,
    question: impl FnOnce(&Device<'a>) -> Result<T, NvmlError>,
) -> Reading<T> {
    answer(gpu.device().and_then(|device| question(&device)))
}

fn answer<T>(result: Result<T, NvmlError>) -> Reading<T> {
    Reading::from_result(result.map_err(|error| reason(&error)))
}

fn on_off(on: bool) -> String {
    if on { "on" } else { "off" }.to_owned()
}

fn clock_max(device: &Device, clock: Clock) -> Result<String, NvmlError> {
    Ok(format!("{} MHz", device.max_clock_info(clock)?))
}

fn clock_offset(device: &Device, clock: Clock) -> Result<String, NvmlError> {
    let offset = device.clock_offset(clock, PerformanceState::Zero)?;
    Ok(format!("{:+} MHz", offset.clock_offset_mhz))
}

fn shown(gpu: &Gpu, quantity: Quantity) -> Reading<String> {
    gpu.read(quantity).map(|value| match quantity {
        Quantity::EventReasons if value == 0 => "none".to_owned(),
        Quantity::EventReasons => event_reason_names(value).join(", "),
        _ => format!("{value} {}", quantity.unit()),
    })
}

fn other_processes(gpu: &Gpu) -> Reading<u64> {
    let listed = ask(gpu, |device| {
        let compute = device.running_compute_processes()?;
        // Without graphics, as on data-centre boards, there are no graphics processes.
        let graphics = match device.running_graphics_processes() {
            Err(NvmlError::NotSupported) => Vec::new(),
            graphics => graphics?,
        };
        Ok(compute
            .iter()
            .chain(&graphics)
            .map(|process| process.pid)
            .collect::<BTreeSet<_>>())
    });
    let Some(listed) = listed.value() else {
        return listed.map(|_| 0);
    };
    count_others(listed, std::process::id(), sees_all_processes())
}

/// An empty list says nothing where the list cannot show the others.
fn count_others(listed: &BTreeSet<u32>, own: u32, sees_all: bool) -> Reading<u64> {
    let others = listed.iter().filter(|pid| **pid != own).count() as u64;
    if others == 0 && !sees_all {
        return Reading::missing(
            "in a process-id namespace NVML does not list the processes outside it",
        );
    }
    Reading::of(others)
}

/// Whether this process is in the first process-id namespace, whose inode is fixed (`PROC_PID_INIT_INO`, Linux,
/// `include/linux/proc_ns.h`).
fn sees_all_processes() -> bool {
    std::fs::read_link("/proc/self/ns/pid").is_ok_and(|link| link.as_os_str() == "pid:[4026531836]")
}

#[cfg(test)]
mod tests {
    use super::super::Nvml;
    use super::*;

    #[test]
    fn the_kernel_module_tells_its_version_in_each_of_its_forms() {
        let proprietary = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\n\
                           GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n";
        assert_eq!(module_version(proprietary).as_deref(), Some("535.104.05"));
        let open = "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  580.95.05  Release Build  (builder@host)\n\
                    GCC version:  gcc version 13.3.0\n";
        assert_eq!(module_version(open).as_deref(), Some("580.95.05"));
        assert_eq!(module_version("GCC version: 13.3.0\n"), None);
        assert_eq!(module_version("NVRM version: none\n"), None);
    }

    #[test]
    fn a_machine_without_the_module_gives_the_reason() {
        let version = kernel_module_version();
        assert!(version.is_well_formed());
    }

    #[test]
    fn this_process_does_not_count_as_another() {
        let listed = BTreeSet::from([10, 20, 30]);
        assert_eq!(count_others(&listed, 20, true), Reading::of(2));
        assert_eq!(
            count_others(&BTreeSet::from([20]), 20, true),
            Reading::of(0)
        );
    }

    #[test]
    fn an_empty_list_in_a_namespace_is_not_taken_for_an_idle_gpu() {
        assert!(count_others(&BTreeSet::new(), 1, false).reason().is_some());
        assert!(
            count_others(&BTreeSet::from([1]), 1, false)
                .reason()
                .is_some()
        );
        assert_eq!(count_others(&BTreeSet::from([7]), 1, false), Reading::of(1));
    }

    #[test]
    fn without_nvml_every_fact_carries_the_reason() {
        let facts = NvmlFacts::of(&Reading::missing("no driver"));
        assert_eq!(facts.ecc.reason(), Some("no driver"));
        assert_eq!(facts.libnvidia_ml.reason(), Some("no driver"));
    }

    #[test]
    #[ignore = "needs an NVIDIA GPU; prints what it answers"]
    fn a_real_gpu_answers() {
        let nvml = Nvml::open().unwrap();
        let gpu = nvml.gpus().into_iter().next().unwrap();
        for (name, reading) in nvml_report(&gpu) {
            println!("{name}: {reading:?}");
        }
        println!("kernel module: {:?}", kernel_module_version());
        let facts = NvmlFacts::of(&Reading::of(gpu.clone()));
        let library = facts.libnvidia_ml;
        println!("libnvidia-ml: {library:?}");
        assert!(library.value().is_some());
        let uuid = gpu.device().unwrap().uuid().unwrap();
        assert!(Gpu::find(&uuid, "").is_ok());
    }
}
