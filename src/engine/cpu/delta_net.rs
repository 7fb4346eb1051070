//! Gated DeltaNet's causal convolution and gated delta rule, with the state that both carry from token to token. Knows no
//! projections.

use rayon::prelude::*;

use crate::engine::EngineError;

use super::activations::Activations;
use super::matrix::dot;
use super::norm::{l2_norm, silu};

/// Heads of a Gated DeltaNet layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct DeltaHeads {
    /// Query and key heads; value head j uses number j modulo this.
    pub key: usize,
    /// Value heads.
    pub value: usize,
    /// Elements of a query or key head.
    pub key_dim: usize,
    /// Elements of a value head.
    pub value_dim: usize,
}

/// The columns that the convolution still sees, and a matrix for each value head.
#[derive(Debug)]
pub(super) struct DeltaState {
    /// \[taps - 1\]\[channels\], oldest first.
    window: Activations,
    /// \[value heads\]\[value_dim\]\[key_dim\]
    matrices: Vec<f32>,
}

impl DeltaHeads {
    /// Channels of the convolution: queries, keys and values.
    pub fn channels(self) -> usize {
        2 * self.key * self.key_dim + self.value * self.value_dim
    }
}

impl DeltaState {
    /// The state before the first token, for a convolution of `taps` taps.
    pub fn new(heads: DeltaHeads, taps: usize) -> Result<Self, EngineError> {
        let elements = heads.value.saturating_mul(heads.value_dim * heads.key_dim);
        let mut matrices = Vec::new();
        matrices
            .try_reserve_exact(elements)
            .map_err(|_| EngineError::Allocation {
                what: "a layer's recurrent state",
                bytes: (elements as u64).saturating_mul(4),
            })?;
        matrices.resize(elements, 0.0);
        let window = Activations::zeros(taps - 1, heads.channels());
        Ok(DeltaState { window, matrices })
    }

    /// Back to the state before the first token.
    pub fn clear(&mut self) {
        self.window.values_mut().fill(0.0);
        self.matrices.fill(0.0);
    }

    /// Convolves each channel of `input` with the columns before, `weights` being \[channels\]\[taps\], the last tap that
    /// of the token itself, and applies SiLU.
    pub fn convolve(&mut self, input: Activations, weights: &[f32]) -> Activations {
        let (kept, channels) = (self.window.tokens(), input.width());
        let taps = kept + 1;
        let mut columns = self.window.clone();
        columns.extend(&input);
        let mut out = input;
        out.values_mut()
            .par_chunks_exact_mut(channels)
            .zip(
                columns
                    .values()
                    .par_windows(taps * channels)
                    .step_by(channels),
            )
            .for_each(|(out, columns)| {
                out.fill(0.0);
                for (tap, column) in columns.chunks_exact(channels).enumerate() {
                    let weights = weights.iter().skip(tap).step_by(taps);
                    for ((out, x), w) in out.iter_mut().zip(column).zip(weights) {
                        *out += x * w;
                    }
                }
                out.iter_mut().for_each(|out| *out = silu(*out));
            });
        let last: Vec<usize> = (columns.tokens() - kept..columns.tokens()).collect();
        self.window = columns.select(&last);
        out
    }

    /// Passes the tokens through the gated delta rule: \[tokens\]\[value heads × value_dim\].
    ///
    /// `mixed` is \[tokens\]\[queries, keys, values\]. `decay` (logarithms, at most 0) and `beta` are
    /// \[tokens\]\[value heads\]. Per head and token, with unit query q (divided by √key_dim) and unit key k:
    /// S ← e^decay S; S ← S + beta (v - S k) kᵀ; out = S q.
    pub fn apply(
        &mut self,
        heads: DeltaHeads,
        mut mixed: Activations,
        decay: &Activations,
        beta: &Activations,
        epsilon: f32,
    ) -> Activations {
        let DeltaHeads {
            key,
            value,
            key_dim,
            value_dim,
        } = heads;
        let scale = 1.0 / (key_dim as f32).sqrt();
        for row in mixed.rows_mut() {
            let (queries, rest) = row.split_at_mut(key * key_dim);
            for query in queries.chunks_exact_mut(key_dim) {
                l2_norm(query, epsilon);
                query.iter_mut().for_each(|q| *q *= scale);
            }
            let keys = rest[..key * key_dim].chunks_exact_mut(key_dim);
            keys.for_each(|key| l2_norm(key, epsilon));
        }
        // One task per head, so results come as \[value heads\]\[tokens × value_dim\].
        let tokens = mixed.tokens();
        let mut by_head = Activations::zeros(value, tokens * value_dim);
        by_head
            .values_mut()
            .par_chunks_exact_mut(tokens * value_dim)
            .zip(self.matrices.par_chunks_exact_mut(value_dim * key_dim))
            .enumerate()
            .for_each(|(head, (out, matrix))| {
                for (token, out) in out.chunks_exact_mut(value_dim).enumerate() {
                    let (keys, values) = mixed.row(token).split_at(2 * key * key_dim);
                    let (q, k) = (head % key * key_dim, (key + head % key) * key_dim);
                    let (q, k) = (&keys[q..q + key_dim], &keys[k..k + key_dim]);
                    let v = &values[head * value_dim..(head + 1) * value_dim];
                    let decay = decay.row(token)[head].exp();
                    let beta = beta.row(token)[head];
                    for ((s, v), out) in matrix.chunks_exact_mut(key_dim).zip(v).zip(out) {
                        s.iter_mut().for_each(|s| *s *= decay);
                        let delta = beta * (v - dot(s, k));
                        s.iter_mut().zip(k).for_each(|(s, k)| *s += delta * k);
                        *out = dot(s, q);
                    }
                }
            });
        let mut out = Activations::zeros(tokens, value * value_dim);
        for (token, out) in out.rows_mut().enumerate() {
            for (out, of_head) in out.chunks_exact_mut(value_dim).zip(by_head.rows()) {
                out.copy_from_slice(&of_head[token * value_dim..(token + 1) * value_dim]);
            }
        }
        out
    }
}
