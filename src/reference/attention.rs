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
pub fn attend_streaming(query: &[f64], keys: &[&[f64]], values: &[&[f64]], scale: f64) -> Vec<f64> {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_scores_give_the_mean_and_a_far_larger_one_its_value() {
        let values: [&[f64]; 2] = [&[1.0, 2.0], &[3.0, 6.0]];
        let same: [&[f64]; 2] = [&[1.0], &[1.0]];
        assert_eq!(attend(&[5.0], &same, &values, 1.0), [2.0, 4.0]);
        let apart: [&[f64]; 2] = [&[1.0], &[-1.0]];
        assert_eq!(attend(&[1e4], &apart, &values, 1.0), [1.0, 2.0]);
        // e^s : 1 with s = ln 3 gives shares of 3/4 and 1/4.
        let found = attend(&[3f64.ln()], &[&[2.0], &[0.0]], &values, 0.5);
        assert!((found[0] - 1.5).abs() < 1e-15 && (found[1] - 3.0).abs() < 1e-15);
    }

    proptest! {
        #[test]
        fn the_stream_gives_what_the_definition_gives(
            query in prop::collection::vec(-3.0..3.0, 4),
            positions in prop::collection::vec((prop::collection::vec(-9.0..9.0, 4), prop::collection::vec(-1.0..1.0, 3)), 1..40),
        ) {
            let keys: Vec<&[f64]> = positions.iter().map(|(key, _)| key.as_slice()).collect();
            let values: Vec<&[f64]> = positions.iter().map(|(_, value)| value.as_slice()).collect();
            let (whole, stream) = (attend(&query, &keys, &values, 0.7), attend_streaming(&query, &keys, &values, 0.7));
            for (whole, stream) in whole.iter().zip(&stream) {
                prop_assert!((whole - stream).abs() < 1e-13);
            }
        }
    }
}
