//! Measured figures as people read them: four significant digits, which is more than a run repeats.

/// Four significant digits without an exponent; a figure above 9999 keeps all its integer digits.
pub fn significant(value: f64) -> String {
    // The exponent after rounding: 9.9996 is 1.000e1.
    let exponent = format!("{value:.3e}")
        .split_once('e')
        .and_then(|(_, exponent)| exponent.parse::<i32>().ok())
        .unwrap_or(0);
    let decimals = (3 - exponent).clamp(0, 3) as usize;
    format!("{value:.decimals$}")
}

/// A duration in the largest unit that leaves at least 1 before the point.
pub fn duration_ns(nanoseconds: f64) -> String {
    let (factor, unit) = match nanoseconds {
        n if n >= 999_950_000.0 => (1e9, "s"),
        n if n >= 999_950.0 => (1e6, "ms"),
        n if n >= 999.95 => (1e3, "µs"),
        _ => (1.0, "ns"),
    };
    format!("{} {unit}", significant(nanoseconds / factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_four_digits() {
        let figures = [0.0, 0.1234, 1.23456, 9.9996, 61.2, 999.96, 3131.4, 21345.6];
        assert_eq!(
            figures.map(significant),
            [
                "0.000", "0.123", "1.235", "10.00", "61.20", "1000", "3131", "21346"
            ]
        );
    }

    #[test]
    fn durations_change_unit_where_they_read_better() {
        let durations = [0.58, 999.4, 999.96, 1234.5, 999_960.0, 33.12e6, 1.5e9];
        assert_eq!(
            durations.map(duration_ns),
            [
                "0.580 ns",
                "999.4 ns",
                "1.000 µs",
                "1.234 µs",
                "1.000 ms",
                "33.12 ms",
                "1.500 s"
            ]
        );
    }
}
