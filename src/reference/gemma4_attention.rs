//! Attention of `gemma4`: queries, keys and values are normalised per head, scores are not scaled, and layers without a
//! value projection take the keys' for both.

use crate::model::{Gemma4, LayerKind};

use super::ReferenceError;
use super::kv_cache::KvCache;
use super::matrix::Matrix;
use super::norm::{rms_norm, rms_unit};
use super::pass::Pass;
use super::rope::Rope;
use super::weights::Weights;

/// One layer's attention and what it remembers.
pub(super) struct Gemma4Attention<'f> {
    query: Matrix<'f>,
    key: Matrix<'f>,
    /// None: values come from the key projection, before norm and rotation.
    value: Option<Matrix<'f>>,
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

impl<'f> Gemma4Attention<'f> {
    pub fn open<B: AsRef<[u8]>>(
        shape: &Gemma4,
        kind: LayerKind,
        weights: &Weights<'f, B>,
        rope_factors: &[f64],
    ) -> Result<Self, ReferenceError> {
        let (kv_heads, head_dim) = shape.attention(kind);
        let (rope, window) = match kind {
            LayerKind::FullAttention => {
                let rotary_dim = shape.full_rotary_dim as usize;
                let base = shape.full_rope_base.into();
                (Rope::slowed(rotary_dim, base, rope_factors), None)
            }
            _ => {
                let rotary_dim = shape.sliding_rotary_dim as usize;
                let rope = Rope::new(rotary_dim, shape.sliding_rope_base.into());
                (rope, Some(shape.window as usize))
            }
        };
        Ok(Gemma4Attention {
            query: weights.matrix("attn_q.weight")?,
            key: weights.matrix("attn_k.weight")?,
            value: weights.optional("attn_v.weight")?,
            output: weights.matrix("attn_output.weight")?,
            query_norm: weights.vector("attn_q_norm.weight")?,
            key_norm: weights.vector("attn_k_norm.weight")?,
            rope,
            head_dim: head_dim as usize,
            group: (shape.query_heads / kv_heads) as usize,
            epsilon: shape.rms_epsilon.into(),
            cache: KvCache::new(head_dim as usize, window),
        })
    }

    /// What attention makes of each of `hs`, `[embedding]`.
    pub fn forward(&mut self, hs: &[Vec<f64>], pass: &Pass) -> Vec<Vec<f64>> {
        let keys = self.key.times(hs);
        let values = self
            .value
            .map_or_else(|| keys.clone(), |value| value.times(hs));
        for (position, (key, value)) in (pass.first..).zip(keys.iter().zip(&values)) {
            let heads = key.chunks_exact(self.head_dim);
            let key = heads.flat_map(|head| self.positioned(head, &self.key_norm, position));
            let heads = value.chunks_exact(self.head_dim);
            let value = heads.flat_map(|head| rms_unit(head, self.epsilon));
            self.cache.push(key.collect(), value.collect());
        }
        let mut attended = Vec::new();
        for (position, query) in (pass.first..).zip(self.query.times(hs)) {
            let mut heads = Vec::new();
            for (index, head) in query.chunks_exact(self.head_dim).enumerate() {
                let query = self.positioned(head, &self.query_norm, position);
                let kv_head = index / self.group;
                heads.extend(self.cache.attend(&query, kv_head, position, 1.0, pass.form));
            }
            attended.push(heads);
        }
        self.cache.trim();
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
