//! Full attention of `qwen35moe`: queries and keys are normalised per head, and a gate scales each head's output.

use crate::model::Qwen35Moe;

use super::ReferenceError;
use super::activation::sigmoid;
use super::kv_cache::KvCache;
use super::matrix::Matrix;
use super::norm::rms_norm;
use super::pass::Pass;
use super::rope::Rope;
use super::weights::Weights;

/// One layer's attention and what it remembers.
pub(super) struct GatedAttention<'f> {
    query_and_gate: Matrix<'f>,
    key: Matrix<'f>,
    value: Matrix<'f>,
    output: Matrix<'f>,
    query_norm: Vec<f64>,
    key_norm: Vec<f64>,
    rope: Rope,
    head_dim: usize,
    /// Query heads that share one KV head.
    group: usize,
    epsilon: f64,
    cache: KvCache,
}

impl<'f> GatedAttention<'f> {
    pub fn open<B: AsRef<[u8]>>(
        shape: &Qwen35Moe,
        weights: &Weights<'f, B>,
    ) -> Result<Self, ReferenceError> {
        let head_dim = shape.head_dim as usize;
        Ok(GatedAttention {
            query_and_gate: weights.matrix("attn_q.weight")?,
            key: weights.matrix("attn_k.weight")?,
            value: weights.matrix("attn_v.weight")?,
            output: weights.matrix("attn_output.weight")?,
            query_norm: weights.vector("attn_q_norm.weight")?,
            key_norm: weights.vector("attn_k_norm.weight")?,
            rope: Rope::new(shape.rotary_dim as usize, shape.rope_base.into()),
            head_dim,
            group: (shape.query_heads / shape.kv_heads) as usize,
            epsilon: shape.rms_epsilon.into(),
            cache: KvCache::new(head_dim, None),
        })
    }

    /// What attention makes of each of `hs`, `[embedding]`.
    pub fn forward(&mut self, hs: &[Vec<f64>], pass: &Pass) -> Vec<Vec<f64>> {
        let keys = self.key.times(hs);
        for (position, (key, value)) in (pass.first..).zip(keys.iter().zip(self.value.times(hs))) {
            let heads = key.chunks_exact(self.head_dim);
            let key = heads.flat_map(|head| self.positioned(head, &self.key_norm, position));
            self.cache.push(key.collect(), value);
        }
        let scale = 1.0 / (self.head_dim as f64).sqrt();
        let mut attended = Vec::new();
        for (position, projected) in (pass.first..).zip(self.query_and_gate.times(hs)) {
            let mut heads = Vec::new();
            // Each head's query lies in front of its own gate.
            for (index, head) in projected.chunks_exact(2 * self.head_dim).enumerate() {
                let (query, gate) = head.split_at(self.head_dim);
                let query = self.positioned(query, &self.query_norm, position);
                let kv_head = index / self.group;
                let seen = self
                    .cache
                    .attend(&query, kv_head, position, scale, pass.form);
                heads.extend(seen.iter().zip(gate).map(|(x, gate)| x * sigmoid(*gate)));
            }
            attended.push(heads);
        }
        self.output.times(&attended)
    }

    /// A query or key head after its norm and its rotation.
    fn positioned(&self, head: &[f64], weight: &[f64], position: usize) -> Vec<f64> {
        let mut head = rms_norm(head, weight, self.epsilon);
        self.rope.rotate(&mut head, position);
        head
    }

    pub fn reset(&mut self) {
        self.cache.clear();
    }
}
