//! Rotary positions: pairs of a head's elements turned by angles that grow with the position. Knows no layer.

use super::activations::Activations;

/// The rotation of a head: element i turns with element i + half of the rotated dimensions (NEOX pairs).
#[derive(Debug, Clone)]
pub(super) struct Rope {
    /// Radians that each pair turns per position.
    frequencies: Vec<f64>,
}

impl Rope {
    /// Pair i turns by base^(-2i / `rotated`) per position; the elements from `rotated` on stay.
    pub fn new(rotated: usize, base: f32) -> Self {
        let frequency = |pair| f64::from(base).powf(-2.0 * pair as f64 / rotated as f64);
        Rope {
            frequencies: (0..rotated / 2).map(frequency).collect(),
        }
    }

    /// The same with each pair slowed by its factor.
    pub fn slowed(mut self, factors: &[f32]) -> Self {
        for (frequency, factor) in self.frequencies.iter_mut().zip(factors) {
            *frequency /= f64::from(*factor);
        }
        self
    }

    /// Turns every head of `head_dim` elements; the first vector is that of position `first`.
    pub fn rotate(&self, x: &mut Activations, head_dim: usize, first: usize) {
        let half = self.frequencies.len();
        for (position, row) in (first..).zip(x.rows_mut()) {
            let turns: Vec<(f32, f32)> = self
                .frequencies
                .iter()
                .map(|frequency| (position as f64 * frequency).sin_cos())
                .map(|(sin, cos)| (sin as f32, cos as f32))
                .collect();
            for head in row.chunks_exact_mut(head_dim) {
                let (low, high) = head.split_at_mut(half);
                for ((a, b), (sin, cos)) in low.iter_mut().zip(high).zip(&turns) {
                    (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotated(rope: &Rope, head: &[f32], position: usize) -> Vec<f32> {
        let mut x = Activations::zeros(1, head.len());
        x.values_mut().copy_from_slice(head);
        rope.rotate(&mut x, head.len(), position);
        x.values().to_vec()
    }

    #[test]
    fn pairs_turn_and_the_rest_stays() {
        let rope = Rope::new(4, 100.0); // per position, pair 0 turns by 1 and pair 1 by 1/10
        let turned = rotated(&rope, &[1.0, 1.0, 0.0, 0.0, 7.0], 2);
        let (slow, fast) = (0.2f32, 2.0f32);
        let expected = [fast.cos(), slow.cos(), fast.sin(), slow.sin(), 7.0];
        for (found, expected) in turned.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{turned:?}");
        }
        assert_eq!(
            rotated(&rope, &[1.0, 2.0, 3.0, 4.0, 5.0], 0),
            [1.0, 2.0, 3.0, 4.0, 5.0]
        );
    }

    #[test]
    fn a_huge_factor_stops_a_pair() {
        let rope = Rope::new(4, 100.0).slowed(&[1.0, 1e30]);
        let turned = rotated(&rope, &[0.0, 1.0, 0.0, 1.0], 100_000);
        assert_eq!(turned, [0.0, 1.0, 0.0, 1.0]);
    }
}
