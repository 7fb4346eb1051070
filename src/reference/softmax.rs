//! The softmax of one vector.

/// e^x / Σ e^x. The largest score is subtracted first, which changes nothing but the range.
pub fn softmax(scores: &[f64]) -> Vec<f64> {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = scores.iter().map(|x| (x - largest).exp()).collect();
    let total: f64 = powers.iter().sum();
    powers.iter().map(|power| power / total).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of SciPy's documentation of `scipy.special.softmax`, `axis=1`, first row, as printed.
    #[test]
    fn the_shares_are_those_of_scipy() {
        let expected = [1.05877e-01, 6.42177e-02, 4.75736e-02, 7.82332e-01];
        for (found, expected) in softmax(&[1.0, 0.5, 0.2, 3.0]).iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
        }
    }

    #[test]
    fn huge_scores_do_not_overflow() {
        assert_eq!(softmax(&[1e300, 0.0, 1e300]), [0.5, 0.0, 0.5]);
    }
}
