//! RMS norms and the functions between projections, element by element. Knows no layer.

use super::activations::Activations;
use super::matrix::dot;

/// Elements whose squares are summed in single precision.
const PANEL: usize = 256;

/// Divides `x` by the root of its mean square plus `epsilon`, then multiplies by `weight` where there is one.
pub(super) fn rms_norm(x: &mut [f32], weight: Option<&[f32]>, epsilon: f32) {
    let mean = square_sum(x) / x.len().max(1) as f64;
    let factor = (1.0 / (mean + f64::from(epsilon)).sqrt()) as f32;
    scale(x, factor, weight);
}

/// Divides `x` by the root of its squares' sum plus `epsilon`.
pub(super) fn l2_norm(x: &mut [f32], epsilon: f32) {
    let factor = (1.0 / (square_sum(x) + f64::from(epsilon)).sqrt()) as f32;
    scale(x, factor, None);
}

/// A copy of `x` with each vector normalised by [`rms_norm`].
pub(super) fn normalised(x: &Activations, weight: Option<&[f32]>, epsilon: f32) -> Activations {
    let mut x = x.clone();
    x.rows_mut().for_each(|row| rms_norm(row, weight, epsilon));
    x
}

/// Normalises every head of `head_dim` elements of every vector by [`rms_norm`].
pub(super) fn norm_heads(
    x: &mut Activations,
    head_dim: usize,
    weight: Option<&[f32]>,
    epsilon: f32,
) {
    x.values_mut()
        .chunks_exact_mut(head_dim)
        .for_each(|head| rms_norm(head, weight, epsilon));
}

fn square_sum(x: &[f32]) -> f64 {
    x.chunks(PANEL)
        .map(|panel| f64::from(dot(panel, panel)))
        .sum()
}

fn scale(x: &mut [f32], factor: f32, weight: Option<&[f32]>) {
    match weight {
        Some(weight) => x
            .iter_mut()
            .zip(weight)
            .for_each(|(x, w)| *x = *x * factor * w),
        None => x.iter_mut().for_each(|x| *x *= factor),
    }
}

/// 1 / (1 + e^-x)
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// x · sigmoid(x)
pub(super) fn silu(x: f32) -> f32 {
    x * sigmoid(x)
}

/// ln(1 + e^x), which is x itself from 20 on.
pub(super) fn softplus(x: f32) -> f32 {
    if x > 20.0 { x } else { x.exp().ln_1p() }
}

/// GELU in its tanh form: x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))
pub(super) fn gelu(x: f32) -> f32 {
    const ROOT: f32 = 0.797_884_6;
    0.5 * x * (1.0 + (ROOT * x * (1.0 + 0.044_715 * x * x)).tanh())
}

/// Replaces `x` by its softmax: e^(x - max), divided by their sum.
pub(super) fn softmax(x: &mut [f32]) {
    let max = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0f64;
    for x in &mut *x {
        *x = (*x - max).exp();
        sum += f64::from(*x);
    }
    let factor = (1.0 / sum) as f32;
    x.iter_mut().for_each(|x| *x *= factor);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_have_their_known_values() {
        // GELU's tanh form at 1 is 0.841192, at -3 it is -0.003637 (both computed in f64 from the formula).
        assert!((gelu(1.0) - 0.841_192).abs() < 1e-6);
        assert!((gelu(-3.0) + 0.003_637_4).abs() < 1e-6);
        assert_eq!(silu(0.0), 0.0);
        assert!((silu(1.0) - 0.731_058_6).abs() < 1e-6);
        assert_eq!(softplus(30.0), 30.0);
        assert!((softplus(0.0) - std::f32::consts::LN_2).abs() < 1e-7);
        let mut flat = [3.0; 4];
        softmax(&mut flat);
        assert_eq!(flat, [0.25; 4]);
    }

    #[test]
    fn norms_bring_vectors_to_their_length() {
        let mut x = [3.0, -4.0];
        rms_norm(&mut x, None, 0.0);
        let root = 12.5f32.sqrt();
        assert!((x[0] - 3.0 / root).abs() < 1e-6 && (x[1] + 4.0 / root).abs() < 1e-6);
        let mut x = [3.0, -4.0];
        l2_norm(&mut x, 0.0);
        assert!((x[0] - 0.6).abs() < 1e-6 && (x[1] + 0.8).abs() < 1e-6);
        let mut zero = [0.0; 3];
        rms_norm(&mut zero, Some(&[1.0; 3]), 1e-6);
        assert_eq!(zero, [0.0; 3]);
    }
}
