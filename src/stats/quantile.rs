//! Quantiles, the median, and the median absolute deviation.

/// The `q`-quantile (0 ≤ q ≤ 1) of ascending `sorted`: linear interpolation between the order statistics around
/// h = (n − 1) q, which is definition 7 of Hyndman & Fan, "Sample Quantiles in Statistical Packages", The American
/// Statistician 50 (1996) 361–365. None when there are no values or `q` is outside its range.
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    if !(0.0..=1.0).contains(&q) {
        return None;
    }
    let last = sorted.len().checked_sub(1)?;
    let h = last as f64 * q;
    let below = h.floor();
    let low = *sorted.get(below as usize)?;
    let high = *sorted.get((below as usize + 1).min(last))?;
    Some(low + (h - below) * (high - low))
}

/// The middle of ascending `sorted`: the middle value, or the mean of the two middle ones. None when empty.
pub fn median(sorted: &[f64]) -> Option<f64> {
    quantile(sorted, 0.5)
}

/// Median absolute deviation from the median of ascending `sorted`, not scaled to a standard deviation. None when empty.
pub fn mad(sorted: &[f64]) -> Option<f64> {
    let middle = median(sorted)?;
    let mut deviations: Vec<f64> = sorted.iter().map(|x| (x - middle).abs()).collect();
    deviations.sort_unstable_by(f64::total_cmp);
    median(&deviations)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // By hand from the definition: n = 6, h = 5 q, e.g. q = 0.9: h = 4.5, half-way between 16 and 32. The same as
    // `numpy.quantile([1, 2, 4, 8, 16, 32], q, method="linear")`.
    #[test]
    fn quantiles_are_those_of_definition_seven() {
        let x = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0];
        let expected = [
            (0.0, 1.0),
            (0.1, 1.5),
            (0.25, 2.5),
            (0.5, 6.0),
            (0.9, 24.0),
            (0.99, 31.2),
            (1.0, 32.0),
        ];
        for (q, value) in expected {
            let found = quantile(&x, q).unwrap();
            assert!((found - value).abs() < 1e-12, "q {q}: {found}, not {value}");
        }
    }

    // The example of `scipy.stats.median_abs_deviation` and of most textbooks: median 2, deviations 1 1 0 0 2 4 7.
    #[test]
    fn the_mad_of_the_textbook_example_is_one() {
        let x = [1.0, 1.0, 2.0, 2.0, 4.0, 6.0, 9.0];
        assert_eq!(median(&x), Some(2.0));
        assert_eq!(mad(&x), Some(1.0));
    }

    #[test]
    fn nothing_has_no_quantile() {
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[1.0], 1.5), None);
        assert_eq!(quantile(&[1.0], f64::NAN), None);
        assert_eq!(quantile(&[7.0], 0.99), Some(7.0));
        assert_eq!(mad(&[]), None);
    }

    proptest! {
        #[test]
        fn quantiles_rise_with_q_and_stay_within_the_values(
            mut x in prop::collection::vec(0u32..1_000_000, 1..200),
            a in 0.0f64..=1.0,
            b in 0.0f64..=1.0,
        ) {
            x.sort_unstable();
            let x: Vec<f64> = x.into_iter().map(f64::from).collect();
            let (low, high) = (quantile(&x, a.min(b)).unwrap(), quantile(&x, a.max(b)).unwrap());
            prop_assert!(low <= high + 1e-9);
            prop_assert!(low >= x[0] && high <= x[x.len() - 1] + 1e-9);
        }
    }
}
