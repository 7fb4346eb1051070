//! Softmax attention of one query head over given positions, by definition and as a stream. Knows no cache.

use super::matrix::dot;
use super::softmax::softmax;

/// softmax(scale · q·K) · V: the mean of `values` weighted by how well their `keys` match. Both have one entry per
/// position, and at least one.
pub fn attend(query: &[f64], keys: &[&[f64]], values: &[&[f64]], scale: f64) -> Vec<f64> {
    let scores: Vec<f64> = keys.iter().map(|key| scale * dot(query, key)).collect();
    let mut out = vec![0.0; values.first().map_or(0, |value| value.len())];
    for (weight, value) in softmax(&scores).iter().zip(values) {
        for (out, value) in out.iter_mut().zip(*value) {
            *out += weight * value;
        }
    }
    out
}

/// The same in one pass that never holds all scores (Milakov, Gimelshein 2018; Dao et al. 2022): what was summed so far
/// is scaled down whenever a larger score comes.
pub fn attend_streaming(
    query: &[f64],
    keys: &[&[f64]],
    values: &[&[f64]],
    scale: f64,
) -> Vec<f64> {
    let mut out = vec![0.0; values.first().map_or(0, |value| value.len())];
    let (mut largest, mut total) = (f64::NEG_INFINITY, 0.0);
    for (key, value) in keys.iter().zip(values) {
        let score = scale * dot(query, key);
        let new_largest = score.max(largest);
        let (shrink, weight) = ((largest - new_largest).exp(), (score - new_largest).exp());
        largest = new_largest;
        total = total * shrink + weight;
        for (out, value) in out.iter_mut().zip(*value) {
            *out = *out * shrink + weight * value;
        }
    }
    out.iter().map(|out| out / total).collect()
}
