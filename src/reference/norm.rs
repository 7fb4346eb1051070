//! Normalisation of one vector by its root mean square or by its length.

/// x / √(mean(x²) + ε) ⊙ `weight` (Zhang, Sennrich 2019). Files of both architectures store the weight itself; one that
/// a checkpoint keeps as w - 1 was completed when the file was made.
pub fn rms_norm(x: &[f64], weight: &[f64], epsilon: f64) -> Vec<f64> {
    let unit = rms_unit(x, epsilon);
    unit.iter().zip(weight).map(|(x, w)| x * w).collect()
}

/// x / √(mean(x²) + ε): an RMS norm without a weight.
pub fn rms_unit(x: &[f64], epsilon: f64) -> Vec<f64> {
    let mean_square = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
    let scale = 1.0 / (mean_square + epsilon).sqrt();
    x.iter().map(|x| x * scale).collect()
}

/// x / √(Σx² + ε): unit length.
pub fn l2_unit(x: &[f64], epsilon: f64) -> Vec<f64> {
    let square = x.iter().map(|x| x * x).sum::<f64>();
    let scale = 1.0 / (square + epsilon).sqrt();
    x.iter().map(|x| x * scale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_and_four_have_a_mean_square_of_12_5() {
        let scale = 1.0 / 12.75f64.sqrt();
        assert_eq!(
            rms_norm(&[3.0, 4.0], &[2.0, -1.0], 0.25),
            [6.0 * scale, -4.0 * scale]
        );
        assert_eq!(rms_unit(&[3.0, 4.0], 0.25), [3.0 * scale, 4.0 * scale]);
    }

    #[test]
    fn three_and_four_have_the_length_five() {
        let found = l2_unit(&[3.0, 4.0], 0.0);
        assert!((found[0] - 0.6).abs() < 1e-15 && (found[1] - 0.8).abs() < 1e-15);
        assert_eq!(l2_unit(&[0.0, 0.0], 1e-6), [0.0, 0.0]);
    }
}
