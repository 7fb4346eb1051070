//! What a set of samples amounts to.

use super::{
    bootstrap::median_interval,
    quantile::{mad, median, quantile},
};

/// Order statistics of samples, in the samples' unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Number of samples.
    pub count: u64,
    /// Smallest.
    pub min: f64,
    /// Median.
    pub median: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Largest.
    pub max: f64,
    /// Median absolute deviation from the median.
    pub mad: f64,
    /// Lower end of the 95 % interval of the median.
    pub median_low: f64,
    /// Upper end of the 95 % interval of the median.
    pub median_high: f64,
}

impl Summary {
    /// The summary of `samples` (each below 2^53, in any order); None when there are none.
    pub fn of(samples: &[u64]) -> Option<Self> {
        let sorted = ascending(samples);
        let (median_low, median_high) = median_interval(&sorted)?;
        Some(Self {
            count: samples.len() as u64,
            min: *sorted.first()?,
            median: median(&sorted)?,
            p90: quantile(&sorted, 0.90)?,
            p99: quantile(&sorted, 0.99)?,
            max: *sorted.last()?,
            mad: mad(&sorted)?,
            median_low,
            median_high,
        })
    }
}

/// Robust standard error of the median over the median: 1.2533 × 1.4826 × MAD / √n / median. 1.4826 × MAD estimates a
/// normal standard deviation (Rousseeuw & Croux, "Alternatives to the Median Absolute Deviation", JASA 88 (1993)
/// 1273–1283), and √(π/2) = 1.2533 is the ratio of the median's standard error to the mean's.
///
/// None below two samples, or when the median is 0.
pub fn relative_standard_error(samples: &[u64]) -> Option<f64> {
    if samples.len() < 2 {
        return None;
    }
    let sorted = ascending(samples);
    let middle = median(&sorted).filter(|m| *m > 0.0)?;
    let error = 1.2533 * 1.4826 * mad(&sorted)? / (samples.len() as f64).sqrt();
    Some(error / middle)
}

/// The samples as numbers in ascending order.
pub fn ascending(samples: &[u64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = samples.iter().map(|s| *s as f64).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    // Values 1..=9 shuffled; every statistic by hand from the definitions.
    #[test]
    fn a_known_array_has_its_known_summary() {
        let summary = Summary::of(&[3, 9, 1, 7, 5, 2, 8, 4, 6]).unwrap();
        assert_eq!(summary.count, 9);
        assert_eq!((summary.min, summary.median, summary.max), (1.0, 5.0, 9.0));
        assert_eq!(summary.mad, 2.0);
        assert!((summary.p90 - 8.2).abs() < 1e-12);
        assert!((summary.p99 - 8.92).abs() < 1e-12);
        assert!(summary.median_low <= 5.0 && summary.median_high >= 5.0);
    }

    #[test]
    fn order_does_not_matter() {
        let forward: Vec<u64> = (0..500).map(|i| (i * 7919) % 1009).collect();
        let backward: Vec<u64> = forward.iter().rev().copied().collect();
        assert_eq!(Summary::of(&forward), Summary::of(&backward));
    }

    // Median 5, MAD 2, n 9: 1.2533 * 1.4826 * 2 / 3 / 5.
    #[test]
    fn the_relative_error_follows_its_formula() {
        let found = relative_standard_error(&[1, 2, 3, 4, 5, 6, 7, 8, 9]).unwrap();
        assert!((found - 0.247_752_344).abs() < 1e-9, "{found}");
    }

    #[test]
    fn the_relative_error_needs_two_samples_and_time() {
        assert_eq!(relative_standard_error(&[]), None);
        assert_eq!(relative_standard_error(&[5]), None);
        assert_eq!(relative_standard_error(&[0, 0, 0]), None);
        assert_eq!(relative_standard_error(&[5, 5, 5]), Some(0.0));
        assert_eq!(Summary::of(&[]), None);
    }
}
