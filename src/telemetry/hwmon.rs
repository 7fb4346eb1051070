//! Power of the board's rails from the kernel's hardware monitors, for machines whose NVML tells no power (Jetson).

use std::fs;
use std::path::{Path, PathBuf};

/// Where the kernel lists its monitors.
const MONITORS: &str = "/sys/class/hwmon";

/// Channels that carry a rail: the INA3221 has three, its other inputs are shunt voltages and sums.
const CHANNELS: [u32; 3] = [1, 2, 3];

/// One rail of a power monitor of the INA family. It measures a part of the board, or all of it, never the GPU alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rail {
    /// Monitor and label, e.g. `ina3221 VDD_GPU`.
    pub(super) name: String,
    power: Power,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Power {
    /// A file in µW.
    Direct(PathBuf),
    /// A file in mV and one in mA.
    Product(PathBuf, PathBuf),
}

impl Rail {
    /// Its power in mW.
    pub(super) fn read(&self) -> Result<Option<u64>, String> {
        let microwatts = match &self.power {
            Power::Direct(power) => number(power)?,
            Power::Product(voltage, current) => number(voltage)?.saturating_mul(number(current)?),
        };
        Ok(Some(microwatts / 1000))
    }
}

/// The rails of this board.
pub(super) fn rails() -> Vec<Rail> {
    rails_in(Path::new(MONITORS))
}

fn rails_in(monitors: &Path) -> Vec<Rail> {
    let entries = fs::read_dir(monitors).into_iter().flatten().flatten();
    let mut rails: Vec<Rail> = entries
        .filter_map(|entry| {
            let name = text(&entry.path().join("name")).ok()?;
            name.starts_with("ina").then_some((entry.path(), name))
        })
        .flat_map(|(monitor, name)| {
            CHANNELS
                .into_iter()
                .filter_map(move |channel| rail(&monitor, &name, channel))
        })
        .collect();
    rails.sort_by(|a, b| a.name.cmp(&b.name));
    rails
}

fn rail(monitor: &Path, name: &str, channel: u32) -> Option<Rail> {
    let file = |name: String| Some(monitor.join(name)).filter(|path| path.exists());
    let label = ["in", "power"]
        .iter()
        .find_map(|kind| text(&file(format!("{kind}{channel}_label"))?).ok())
        .unwrap_or_else(|| format!("channel {channel}"));
    let disabled = file(format!("in{channel}_enable")).is_some_and(|path| number(&path) == Ok(0));
    // `NC` is the device tree's word for an input that nothing is connected to.
    if disabled || label == "NC" {
        return None;
    }
    let power = match file(format!("power{channel}_input")) {
        Some(power) => Power::Direct(power),
        None => Power::Product(
            file(format!("in{channel}_input"))?,
            file(format!("curr{channel}_input"))?,
        ),
    };
    Some(Rail {
        name: format!("{name} {label}"),
        power,
    })
}

fn text(path: &Path) -> Result<String, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(text.trim().to_owned())
}

fn number(path: &Path) -> Result<u64, String> {
    let text = text(path)?;
    text.parse()
        .map_err(|_| format!("{}: expected a number, found `{text}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn monitor(root: &Path, index: u32, files: &[(&str, &str)]) {
        let directory = root.join(format!("hwmon{index}"));
        fs::create_dir_all(&directory).unwrap();
        for (name, text) in files {
            fs::write(directory.join(name), format!("{text}\n")).unwrap();
        }
    }

    #[test]
    fn rails_of_a_jetson_are_found_and_other_monitors_are_not() {
        let root = tempfile::tempdir().unwrap();
        monitor(
            root.path(),
            0,
            &[("name", "nvme"), ("in1_input", "1"), ("curr1_input", "1")],
        );
        monitor(
            root.path(),
            1,
            &[
                ("name", "ina3221"),
                ("in1_label", "VDD_GPU"),
                ("in1_input", "19800"),
                ("curr1_input", "1500"),
                ("in2_label", "NC"),
                ("in2_input", "0"),
                ("curr2_input", "0"),
                ("in3_label", "VIN_SYS_5V0"),
                ("in3_enable", "0"),
                ("in3_input", "5000"),
                ("curr3_input", "10"),
                ("in4_input", "12"),
                ("curr4_input", "99"),
            ],
        );
        monitor(
            root.path(),
            2,
            &[
                ("name", "ina238"),
                ("in1_input", "20000"),
                ("curr1_input", "3000"),
                ("power1_input", "61000000"),
            ],
        );
        let rails = rails_in(root.path());
        let read: Vec<(&str, u64)> = rails
            .iter()
            .map(|rail| (rail.name.as_str(), rail.read().unwrap().unwrap()))
            .collect();
        assert_eq!(
            read,
            [("ina238 channel 1", 61_000), ("ina3221 VDD_GPU", 29_700)]
        );
    }

    #[test]
    fn a_machine_without_monitors_has_no_rails() {
        assert_eq!(rails_in(Path::new("/nonexistent")), []);
    }

    #[test]
    fn a_rail_that_stops_answering_says_why() {
        let root = tempfile::tempdir().unwrap();
        monitor(
            root.path(),
            0,
            &[("name", "ina226"), ("power1_input", "-5")],
        );
        let rails = rails_in(root.path());
        assert!(
            rails[0]
                .read()
                .unwrap_err()
                .ends_with("expected a number, found `-5`")
        );
    }
}
