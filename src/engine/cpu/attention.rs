//! Softmax attention over cached keys and values. Knows neither projections nor positions' rotation.

use rayon::prelude::*;

use crate::engine::EngineError;

use super::activations::Activations;
use super::matrix::dot;
use super::norm::softmax;

/// Heads of a layer with softmax attention, and what each sees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Heads {
    /// Query heads; as many neighbours share a KV head as there are more of them.
    pub query: usize,
    /// Key and value heads.
    pub kv: usize,
    /// Elements of a head.
    pub dim: usize,
    /// Factor of every score.
    pub scale: f32,
    /// Positions that a token sees, itself included; `None` for all.
    pub window: Option<usize>,
}

/// Keys and values of the positions that may still be seen, in `f32`, so that storing them rounds nothing.
#[derive(Debug)]
pub(super) struct KvCache {
    /// Elements of one position's keys, or values.
    width: usize,
    /// Positions kept; position p lies at p modulo this.
    positions: usize,
    keys: Vec<f32>,
    values: Vec<f32>,
}

impl KvCache {
    /// Positions that a cache keeps for a context: all, or the window of every token of a chunk.
    pub fn positions(heads: Heads, context: usize, chunk: usize) -> usize {
        match heads.window {
            Some(window) => context.min(window.saturating_add(chunk - 1)),
            None => context,
        }
    }

    /// Bytes that a cache may come to hold.
    pub fn bytes(heads: Heads, context: usize, chunk: usize) -> u64 {
        let elements = 2 * heads.kv * heads.dim;
        (Self::positions(heads, context, chunk) as u64).saturating_mul(4 * elements as u64)
    }

    /// An empty cache, whose memory is reserved now and taken as positions are stored.
    pub fn new(heads: Heads, context: usize, chunk: usize) -> Result<Self, EngineError> {
        let (width, positions) = (heads.kv * heads.dim, Self::positions(heads, context, chunk));
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        for half in [&mut keys, &mut values] {
            half.try_reserve_exact(width.saturating_mul(positions))
                .map_err(|_| EngineError::Allocation {
                    what: "a layer's keys and values",
                    bytes: Self::bytes(heads, context, chunk),
                })?;
        }
        Ok(KvCache {
            width,
            positions,
            keys,
            values,
        })
    }

    /// Forgets every position.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.values.clear();
    }

    /// Stores the positions from `first` on, which follow those stored before.
    pub fn append(&mut self, first: usize, keys: &Activations, values: &Activations) {
        for (position, (key, value)) in (first..).zip(keys.rows().zip(values.rows())) {
            let start = position % self.positions * self.width;
            for (stored, new) in [(&mut self.keys, key), (&mut self.values, value)] {
                match stored.get_mut(start..start + self.width) {
                    Some(old) => old.copy_from_slice(new),
                    None => stored.extend_from_slice(new),
                }
            }
        }
    }

    /// The element in `stored` where head `head` of `position` begins.
    fn at(&self, position: usize, head: usize, dim: usize) -> usize {
        position % self.positions * self.width + head * dim
    }
}

impl Heads {
    /// Attends from each query, of which the first is that of position `first`, to the positions that it sees:
    /// \[tokens\]\[query heads × dim\].
    pub fn attend(&self, cache: &KvCache, queries: &Activations, first: usize) -> Activations {
        let mut out = Activations::zeros(queries.tokens(), queries.width());
        out.values_mut()
            .par_chunks_exact_mut(self.dim)
            .zip(queries.values().par_chunks_exact(self.dim))
            .enumerate()
            .for_each_init(Vec::new, |scores, (index, (out, query))| {
                let (token, head) = (index / self.query, index % self.query);
                self.attend_one(cache, first + token, head, query, scores, out);
            });
        out
    }

    fn attend_one(
        &self,
        cache: &KvCache,
        position: usize,
        head: usize,
        query: &[f32],
        scores: &mut Vec<f32>,
        out: &mut [f32],
    ) {
        let kv_head = head / (self.query / self.kv);
        let oldest = self
            .window
            .map_or(0, |window| (position + 1).saturating_sub(window));
        let at = |position| {
            let start = cache.at(position, kv_head, self.dim);
            start..start + self.dim
        };
        scores.clear();
        scores
            .extend((oldest..=position).map(|seen| dot(query, &cache.keys[at(seen)]) * self.scale));
        softmax(scores);
        for (seen, weight) in (oldest..).zip(scores.iter()) {
            for (out, value) in out.iter_mut().zip(&cache.values[at(seen)]) {
                *out += weight * value;
            }
        }
    }
}
