//! Quantities with their unit in the type, and how they are printed.

use std::fmt;

/// A number of bytes. Displays in decimal units (kB = 10^3, GB = 10^9), as bandwidths are stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    /// Picks the largest unit that leaves at least 1 before the point, and three digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (factor, unit) = match self.0 {
            n if n >= 1_000_000_000_000 => (1e12, "TB"),
            n if n >= 1_000_000_000 => (1e9, "GB"),
            n if n >= 1_000_000 => (1e6, "MB"),
            n if n >= 1_000 => (1e3, "kB"),
            n => return write!(f, "{n} B"),
        };
        match self.0 as f64 / factor {
            n if n >= 100.0 => write!(f, "{n:.0} {unit}"),
            n if n >= 10.0 => write!(f, "{n:.1} {unit}"),
            n => write!(f, "{n:.2} {unit}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_read_as_people_write_them() {
        let shown = [0, 999, 1_500, 21_169_116_992].map(|b| Bytes(b).to_string());
        assert_eq!(shown, ["0 B", "999 B", "1.50 kB", "21.2 GB"]);
    }
}
