//! Rotary position embedding of one head (Su et al. 2021), in the pairing that llama.cpp calls NEOX.

/// The angles of one kind of layer.
///
/// Of a head, the first `rotary_dim` dimensions turn in pairs (i, i + rotary_dim / 2); the others stay. Text has one
/// position for all pairs, so the sections of a multimodal model make no difference to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Rope {
    /// Radians per position, one entry for each pair.
    frequencies: Vec<f64>,
}

impl Rope {
    /// Pair i turns by base^(-2i / rotary_dim) radians per position.
    pub fn new(rotary_dim: usize, base: f64) -> Self {
        let frequency = |pair: usize| base.powf(-2.0 * pair as f64 / rotary_dim as f64);
        Rope {
            frequencies: (0..rotary_dim / 2).map(frequency).collect(),
        }
    }

    /// The same with pair i slowed down `factors[i]` times. The "proportional" embedding is this with factors of 1 for
    /// the leading pairs and of 10^30, which is standing still, for the others.
    pub fn slowed(rotary_dim: usize, base: f64, factors: &[f64]) -> Self {
        let mut rope = Rope::new(rotary_dim, base);
        for (frequency, factor) in rope.frequencies.iter_mut().zip(factors) {
            *frequency /= factor;
        }
        rope
    }

    /// Turns a query or key head to its position.
    pub fn rotate(&self, head: &mut [f64], position: usize) {
        let (first, second) = head.split_at_mut(self.frequencies.len());
        for ((a, b), frequency) in first.iter_mut().zip(second).zip(&self.frequencies) {
            let (sin, cos) = (position as f64 * frequency).sin_cos();
            (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::matrix::dot;
    use super::*;

    fn rotated(rope: &Rope, head: &[f64], position: usize) -> Vec<f64> {
        let mut head = head.to_vec();
        rope.rotate(&mut head, position);
        head
    }

    fn close(found: &[f64], expected: &[f64], tolerance: f64) {
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found - expected).abs() <= tolerance,
                "{found}, not {expected}"
            );
        }
    }

    /// Expected: NumPy, angles 3 and 3 / 10 over the pairs (0, 2) and (1, 3); dimension 4 stays.
    #[test]
    fn pairs_lie_half_the_rotary_dimensions_apart() {
        let found = rotated(&Rope::new(4, 100.0), &[1.0, 2.0, 3.0, 4.0, 5.0], 3);
        let expected = [-1.41335252, 0.72859215, -2.82885748, 4.41238637, 5.0];
        close(&found, &expected, 1e-8);
    }

    #[test]
    fn a_proportional_embedding_turns_the_leading_pairs_alone() {
        let head: Vec<f64> = (1..=16).map(f64::from).collect();
        let rope = Rope::slowed(16, 1e6, &[1.0, 1.0, 1e30, 1e30, 1e30, 1e30, 1e30, 1e30]);
        let found = rotated(&rope, &head, 12_345);
        let whole = rotated(&Rope::new(16, 1e6), &head, 12_345);
        for at in 0..16 {
            let turned = at % 8 < 2;
            assert_eq!(
                found[at],
                if turned { whole[at] } else { head[at] },
                "dimension {at}"
            );
        }
    }

    proptest! {
        #[test]
        fn lengths_stay_and_only_distances_matter(
            a in prop::collection::vec(-1.0..1.0, 10),
            b in prop::collection::vec(-1.0..1.0, 10),
            (position, distance, shift) in (0usize..5000, 0usize..5000, 0usize..5000),
        ) {
            let rope = Rope::new(8, 1e4);
            let turned = rotated(&rope, &a, position);
            prop_assert!((dot(&turned, &turned) - dot(&a, &a)).abs() < 1e-12);
            let match_at = |position| dot(&rotated(&rope, &a, position), &rotated(&rope, &b, position + distance));
            prop_assert!((match_at(position) - match_at(position + shift)).abs() < 1e-9);
        }
    }
}
