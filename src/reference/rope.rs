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
