//! What is asked at every reading, and whom: one probe per series of the record.

use super::host_load::{HostLoad, memory_available};
use super::hwmon;
use super::nvml::Gpu;
use super::quantity::Quantity;
use crate::result::Reading;

/// The value now; nothing where there is none this time; an error where the quantity does not answer.
pub(super) type Answer = Result<Option<u64>, String>;

/// A quantity that can be read again and again.
pub(super) struct Probe {
    pub(super) quantity: String,
    pub(super) unit: &'static str,
    pub(super) source: String,
    pub(super) read: Box<dyn FnMut() -> Answer + Send>,
}

impl Probe {
    pub(super) fn new(
        quantity: &str,
        unit: &'static str,
        source: &str,
        read: impl FnMut() -> Answer + Send + 'static,
    ) -> Self {
        Self {
            quantity: quantity.to_owned(),
            unit,
            source: source.to_owned(),
            read: Box::new(read),
        }
    }
}

/// All probes of this machine: the GPU's, the board's where the GPU tells no power, the host's.
pub(super) fn probes(gpu: &Reading<Gpu>) -> Vec<Probe> {
    let mut probes: Vec<Probe> = Quantity::ALL
        .into_iter()
        .map(|quantity| of_gpu(gpu.clone(), quantity))
        .collect();
    let power = gpu.value().map(|gpu| gpu.read(Quantity::Power));
    if power.is_none_or(|power| power.value().is_none()) {
        probes.extend(hwmon::rails().into_iter().map(|rail| {
            let source = format!("hwmon {}", rail.name);
            Probe::new("board_power", "mW", &source, move || rail.read())
        }));
    }
    let mut load = HostLoad::default();
    probes.push(Probe::new(
        "host_load",
        "per mille",
        "/proc/stat",
        move || load.read(),
    ));
    probes.push(Probe::new(
        "memory_available",
        "B",
        "/proc/meminfo",
        memory_available,
    ));
    probes
}

fn of_gpu(gpu: Reading<Gpu>, quantity: Quantity) -> Probe {
    Probe::new(quantity.name(), quantity.unit(), "nvml", move || {
        let Some(gpu) = gpu.value() else {
            return Err(gpu.reason().unwrap_or("no GPU").to_owned());
        };
        let reading = gpu.read(quantity);
        match (reading.value(), reading.reason()) {
            (Some(value), _) => Ok(Some(*value)),
            (None, reason) => Err(reason.unwrap_or("no answer").to_owned()),
        }
    })
}
