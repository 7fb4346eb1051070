//! The quantities of a GPU that change while it works, and how NVML is asked for each.

use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor};
use nvml_wrapper::error::NvmlError;

use super::nvml::{Gpu, reason};
use crate::result::Reading;

/// A quantity of a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// Clock of the streaming multiprocessors.
    SmClock,
    /// Clock of the memory.
    MemoryClock,
    /// Temperature of the die.
    Temperature,
    /// Power of the board.
    Power,
    /// Energy since the driver was loaded; the counter may advance every 100 ms only.
    Energy,
    /// Share of time with a kernel running, over the driver's own window.
    Utilisation,
    /// Why the clocks are where they are: `event_reason_names`.
    EventReasons,
    /// Memory in use, by all processes.
    MemoryUsed,
}

impl Quantity {
    /// All of them, in the order of the record.
    pub const ALL: [Self; 8] = [
        Self::SmClock,
        Self::MemoryClock,
        Self::Temperature,
        Self::Power,
        Self::Energy,
        Self::Utilisation,
        Self::EventReasons,
        Self::MemoryUsed,
    ];

    /// Its name in the record.
    pub fn name(self) -> &'static str {
        match self {
            Self::SmClock => "sm_clock",
            Self::MemoryClock => "memory_clock",
            Self::Temperature => "temperature",
            Self::Power => "power",
            Self::Energy => "energy",
            Self::Utilisation => "utilisation",
            Self::EventReasons => "event_reasons",
            Self::MemoryUsed => "memory_used",
        }
    }

    /// Its unit in the record.
    pub fn unit(self) -> &'static str {
        match self {
            Self::SmClock | Self::MemoryClock => "MHz",
            Self::Temperature => "C",
            Self::Power => "mW",
            Self::Energy => "mJ",
            Self::Utilisation => "%",
            Self::EventReasons => "bitmask",
            Self::MemoryUsed => "B",
        }
    }

    fn ask(self, device: &Device) -> Result<u64, NvmlError> {
        match self {
            Self::SmClock => device.clock_info(Clock::SM).map(u64::from),
            Self::MemoryClock => device.clock_info(Clock::Memory).map(u64::from),
            Self::Temperature => device.temperature(TemperatureSensor::Gpu).map(u64::from),
            Self::Power => device.power_usage().map(u64::from),
            Self::Energy => device.total_energy_consumption(),
            Self::Utilisation => device.utilization_rates().map(|rates| u64::from(rates.gpu)),
            // The form that drops unknown bits: a newer driver's new reason must not cost us the old ones.
            Self::EventReasons => device
                .current_throttle_reasons()
                .map(|reasons| reasons.bits()),
            Self::MemoryUsed => device.memory_info().map(|memory| memory.used),
        }
    }
}

impl Gpu {
    /// The quantity now.
    pub fn read(&self, quantity: Quantity) -> Reading<u64> {
        let value = self.device().and_then(|device| quantity.ask(&device));
        Reading::from_result(value.map_err(|error| reason(&error)))
    }
}

/// Clock event reasons and their bits (NVML, `nvmlClocksEventReasons`).
const EVENT_REASONS: [(u64, &str); 9] = [
    (0x1, "gpu_idle"),
    (0x2, "applications_clocks_setting"),
    (0x4, "sw_power_cap"),
    (0x8, "hw_slowdown"),
    (0x10, "sync_boost"),
    (0x20, "sw_thermal_slowdown"),
    (0x40, "hw_thermal_slowdown"),
    (0x80, "hw_power_brake_slowdown"),
    (0x100, "display_clock_setting"),
];

/// The event reasons that spoil a sample: heat and power brakes. A power cap is the board's normal state under load.
pub const SLOWDOWNS: u64 = 0x8 | 0x20 | 0x40 | 0x80;

/// The names of the bits in `mask`; an unknown bit is given by its value.
pub fn event_reason_names(mask: u64) -> Vec<String> {
    (0..u64::BITS)
        .map(|bit| mask & (1 << bit))
        .filter(|bit| *bit != 0)
        .map(|bit| {
            let known = EVENT_REASONS.iter().find(|(value, _)| *value == bit);
            known.map_or_else(|| format!("{bit:#x}"), |(_, name)| (*name).to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_reasons_are_named_and_new_ones_shown_by_value() {
        assert_eq!(event_reason_names(0), [""; 0]);
        assert_eq!(
            event_reason_names(0x44),
            ["sw_power_cap", "hw_thermal_slowdown"]
        );
        assert_eq!(event_reason_names(1 << 40), ["0x10000000000"]);
        assert_eq!(
            event_reason_names(SLOWDOWNS),
            [
                "hw_slowdown",
                "sw_thermal_slowdown",
                "hw_thermal_slowdown",
                "hw_power_brake_slowdown"
            ]
        );
    }

    #[test]
    fn the_bits_are_those_of_nvml() {
        use nvml_wrapper::bitmasks::device::ThrottleReasons as Nvml;
        let slowdowns = Nvml::HW_SLOWDOWN
            | Nvml::SW_THERMAL_SLOWDOWN
            | Nvml::HW_THERMAL_SLOWDOWN
            | Nvml::HW_POWER_BRAKE_SLOWDOWN;
        assert_eq!(slowdowns.bits(), SLOWDOWNS);
        for (bit, name) in EVENT_REASONS {
            let nvml = Nvml::from_bits(bit).map(|reason| {
                reason
                    .iter_names()
                    .map(|(n, _)| n.to_lowercase())
                    .collect::<Vec<_>>()
            });
            assert_eq!(nvml, Some(vec![name.to_owned()]));
        }
    }

    #[test]
    fn every_quantity_has_a_name_of_its_own() {
        let mut names = Quantity::ALL.map(Quantity::name).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Quantity::ALL.len());
    }
}
