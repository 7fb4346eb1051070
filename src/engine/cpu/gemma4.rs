//! A layer of `gemma4`: sliding or full attention, then a dense MLP and routed experts side by side, a norm behind each.

use std::sync::Arc;

use crate::engine::EngineError;
use crate::gguf::Gguf;
use crate::model::{Gemma4, LayerKind};

use super::activations::Activations;
use super::attention::{Heads, KvCache};
use super::experts::{Choice, Experts, Mlp, Routed};
use super::layer::Layer;
use super::matrix::Matrix;
use super::memory::CHUNK;
use super::norm::{gelu, norm_heads, normalised};
use super::rope::Rope;
use super::weights::Weights;

/// A layer of `gemma4`.
struct GemmaLayer {
    epsilon: f32,
    attn_norm: Vec<f32>,
    attention: Attention,
    post_attention_norm: Vec<f32>,
    ffn_norm: Vec<f32>,
    dense: Mlp,
    post_dense_norm: Vec<f32>,
    router: Matrix,
    /// Multiplies the router's input; the root of its width is divided out.
    router_scale: Vec<f32>,
    experts_used: usize,
    pre_experts_norm: Vec<f32>,
    experts: Experts,
    /// Multiplies each expert's output.
    expert_scale: Vec<f32>,
    post_experts_norm: Vec<f32>,
    post_ffn_norm: Vec<f32>,
    output_scale: f32,
}

struct Attention {
    heads: Heads,
    rope: Rope,
    query: Matrix,
    key: Matrix,
    /// Where there is none, values are the key projection before its norm and rotation.
    value: Option<Matrix>,
    output: Matrix,
    query_norm: Vec<f32>,
    key_norm: Vec<f32>,
    cache: KvCache,
}

/// The layers of the model in `file`, with memory for `context` tokens.
pub(super) fn layers(
    shape: &Gemma4,
    file: &Arc<Gguf>,
    context: usize,
) -> Result<Vec<Box<dyn Layer>>, EngineError> {
    let rope_factors = Weights::of_model(file).vector("rope_freqs.weight")?;
    let build = |(index, kind): (usize, &LayerKind)| {
        let weights = Weights::of_layer(file, index);
        let (width, embedding) = (shape.expert_width as usize, shape.embedding as usize);
        let root = (shape.embedding as f32).sqrt();
        let mut router_scale = weights.vector("ffn_gate_inp.scale")?;
        router_scale.iter_mut().for_each(|scale| *scale /= root);
        let layer = GemmaLayer {
            epsilon: shape.rms_epsilon,
            attn_norm: weights.vector("attn_norm.weight")?,
            attention: Attention::new(shape, *kind, &weights, &rope_factors, context)?,
            post_attention_norm: weights.vector("post_attention_norm.weight")?,
            ffn_norm: weights.vector("ffn_norm.weight")?,
            dense: weights.mlp("", gelu)?,
            post_dense_norm: weights.vector("post_ffw_norm_1.weight")?,
            router: weights.matrix("ffn_gate_inp.weight")?,
            router_scale,
            experts_used: shape.experts_used as usize,
            pre_experts_norm: weights.vector("pre_ffw_norm_2.weight")?,
            experts: weights.experts(width, embedding, gelu)?,
            expert_scale: weights.vector("ffn_down_exps.scale")?,
            post_experts_norm: weights.vector("post_ffw_norm_2.weight")?,
            post_ffn_norm: weights.vector("post_ffw_norm.weight")?,
            output_scale: weights
                .vector("layer_output_scale.weight")?
                .first()
                .copied()
                .unwrap_or(1.0),
        };
        Ok(Box::new(layer) as Box<dyn Layer>)
    };
    shape.layers.iter().enumerate().map(build).collect()
}

/// How the layers of one kind attend. Scores are not scaled.
pub(super) fn heads(shape: &Gemma4, kind: LayerKind) -> Heads {
    let (kv, dim) = shape.attention(kind);
    Heads {
        query: shape.query_heads as usize,
        kv: kv as usize,
        dim: dim as usize,
        scale: 1.0,
        window: (kind == LayerKind::SlidingAttention).then_some(shape.window as usize),
    }
}

impl Layer for GemmaLayer {
    fn forward(&mut self, x: &mut Activations, first: usize) -> Routed {
        let normalised = |x: &Activations, weight| normalised(x, Some(weight), self.epsilon);
        let h = normalised(x, &self.attn_norm);
        let attended = self.attention.forward(&h, first, self.epsilon);
        x.add(&normalised(&attended, &self.post_attention_norm));

        let routed = self.route(x);
        let dense = self.dense.apply(&normalised(x, &self.ffn_norm));
        let sparse = self.experts.apply(
            &normalised(x, &self.pre_experts_norm),
            &self.scaled(&routed.choices),
        );
        let mut branch = normalised(&dense, &self.post_dense_norm);
        branch.add(&normalised(&sparse, &self.post_experts_norm));
        x.add(&normalised(&branch, &self.post_ffn_norm));
        x.values_mut()
            .iter_mut()
            .for_each(|x| *x *= self.output_scale);
        routed
    }

    fn reset(&mut self) {
        self.attention.cache.clear();
    }
}

impl GemmaLayer {
    /// The experts of each token: the router has a norm of its own, without weight, on the residual stream.
    fn route(&self, x: &Activations) -> Routed {
        let r = normalised(x, Some(&self.router_scale), self.epsilon);
        Routed::of(&self.router.times(&r), self.experts_used)
    }

    /// The choices with each expert's own scale in its weight.
    fn scaled(&self, choices: &[Vec<Choice>]) -> Vec<Vec<Choice>> {
        let mut scaled = choices.to_vec();
        for choice in scaled.iter_mut().flatten() {
            choice.weight *= self.expert_scale.get(choice.expert).unwrap_or(&1.0);
        }
        scaled
    }
}

impl Attention {
    fn new(
        shape: &Gemma4,
        kind: LayerKind,
        weights: &Weights,
        rope_factors: &[f32],
        context: usize,
    ) -> Result<Self, EngineError> {
        let heads = heads(shape, kind);
        let sliding = kind == LayerKind::SlidingAttention;
        let rope = match sliding {
            true => Rope::new(shape.sliding_rotary_dim as usize, shape.sliding_rope_base),
            false => {
                Rope::new(shape.full_rotary_dim as usize, shape.full_rope_base).slowed(rope_factors)
            }
        };
        Ok(Attention {
            heads,
            rope,
            query: weights.matrix("attn_q.weight")?,
            key: weights.matrix("attn_k.weight")?,
            value: weights.optional("attn_v.weight")?,
            output: weights.matrix("attn_output.weight")?,
            query_norm: weights.vector("attn_q_norm.weight")?,
            key_norm: weights.vector("attn_k_norm.weight")?,
            cache: KvCache::new(heads, context, CHUNK)?,
        })
    }

    fn forward(&mut self, h: &Activations, first: usize, epsilon: f32) -> Activations {
        let dim = self.heads.dim;
        let (mut query, mut key) = (self.query.times(h), self.key.times(h));
        let mut value = match &self.value {
            Some(value) => value.times(h),
            None => key.clone(),
        };
        norm_heads(&mut query, dim, Some(&self.query_norm), epsilon);
        norm_heads(&mut key, dim, Some(&self.key_norm), epsilon);
        norm_heads(&mut value, dim, None, epsilon);
        self.rope.rotate(&mut query, dim, first);
        self.rope.rotate(&mut key, dim, first);
        self.cache.append(first, &key, &value);
        let out = self.heads.attend(&self.cache, &query, first);
        self.output.times(&out)
    }
}
