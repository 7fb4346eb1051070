//! Quantities with their unit in the type, and how they are printed.

use std::fmt;

/// A number of bytes. Displays in decimal units (kB = 10^3, GB = 10^9), as bandwidths are stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(pub u64);

/// A duration in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Nanos(pub u64);

/// Picks the largest unit that leaves at least 1 before the point.
fn scaled(value: f64, units: &[(f64, &str)], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (factor, name) = units
        .iter()
        .find(|(factor, _)| value >= *factor)
        .unwrap_or(&units[units.len() - 1]);
    let number = value / factor;
    match number {
        n if n >= 100.0 || *factor == 1.0 => write!(f, "{n:.0} {name}"),
        n if n >= 10.0 => write!(f, "{n:.1} {name}"),
        n => write!(f, "{n:.2} {name}"),
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        scaled(
            self.0 as f64,
            &[
                (1e12, "TB"),
                (1e9, "GB"),
                (1e6, "MB"),
                (1e3, "kB"),
                (1.0, "B"),
            ],
            f,
        )
    }
}

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        scaled(
            self.0 as f64,
            &[
                (60e9, "min"),
                (1e9, "s"),
                (1e6, "ms"),
                (1e3, "µs"),
                (1.0, "ns"),
            ],
            f,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_read_as_people_write_them() {
        let shown = [0, 999, 1_500, 21_169_116_992].map(|b| Bytes(b).to_string());
        assert_eq!(shown, ["0 B", "999 B", "1.50 kB", "21.2 GB"]);
        let shown = [12, 1_234, 56_700_000, 90_000_000_000].map(|n| Nanos(n).to_string());
        assert_eq!(shown, ["12 ns", "1.23 µs", "56.7 ms", "1.50 min"]);
    }
}
