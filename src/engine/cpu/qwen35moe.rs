//! A layer of `qwen35moe`: gated softmax attention or Gated DeltaNet, then routed experts and a shared one.

use std::sync::Arc;

use crate::engine::EngineError;
use crate::gguf::Gguf;
use crate::model::{LayerKind, Qwen35Moe};

use super::activations::Activations;
use super::attention::{Heads, KvCache};
use super::delta_net::{DeltaHeads, DeltaState};
use super::experts::{Experts, Mlp, Routed};
use super::layer::Layer;
use super::matrix::Matrix;
use super::memory::CHUNK;
use super::norm::{norm_heads, normalised, sigmoid, silu, softplus};
use super::rope::Rope;
use super::weights::Weights;

/// A layer of `qwen35moe`.
struct QwenLayer {
    epsilon: f32,
    attn_norm: Vec<f32>,
    mixer: Mixer,
    post_attention_norm: Vec<f32>,
    router: Matrix,
    experts_used: usize,
    experts: Experts,
    shared_router: Matrix,
    shared_expert: Mlp,
}

enum Mixer {
    Attention(GatedAttention),
    DeltaNet(GatedDeltaNet),
}

struct GatedAttention {
    heads: Heads,
    rope: Rope,
    /// Of each head the query's rows and behind them the gate's.
    query_and_gate: Matrix,
    key: Matrix,
    value: Matrix,
    output: Matrix,
    query_norm: Vec<f32>,
    key_norm: Vec<f32>,
    cache: KvCache,
}

struct GatedDeltaNet {
    heads: DeltaHeads,
    query_key_value: Matrix,
    gate: Matrix,
    alpha: Matrix,
    beta: Matrix,
    /// \[channels\]\[taps\]
    convolution: Vec<f32>,
    /// Per value head, below 0.
    decay: Vec<f32>,
    /// Per value head, added to `alpha`'s product.
    step_bias: Vec<f32>,
    norm: Vec<f32>,
    output: Matrix,
    state: DeltaState,
}

/// The layers of the model in `file`, with memory for `context` tokens.
pub(super) fn layers(
    shape: &Qwen35Moe,
    file: &Arc<Gguf>,
    context: usize,
) -> Result<Vec<Box<dyn Layer>>, EngineError> {
    let build = |(index, kind): (usize, &LayerKind)| {
        let weights = Weights::of_layer(file, index);
        let mixer = match kind {
            LayerKind::GatedDeltaNet => Mixer::DeltaNet(GatedDeltaNet::new(shape, &weights)?),
            _ => Mixer::Attention(GatedAttention::new(shape, &weights, context)?),
        };
        let (width, embedding) = (shape.expert_width as usize, shape.embedding as usize);
        let layer = QwenLayer {
            epsilon: shape.rms_epsilon,
            attn_norm: weights.vector("attn_norm.weight")?,
            mixer,
            post_attention_norm: weights.vector("post_attention_norm.weight")?,
            router: weights.matrix("ffn_gate_inp.weight")?,
            experts_used: shape.experts_used as usize,
            experts: weights.experts(width, embedding, silu)?,
            shared_router: weights.matrix("ffn_gate_inp_shexp.weight")?,
            shared_expert: weights.mlp("_shexp", silu)?,
        };
        Ok(Box::new(layer) as Box<dyn Layer>)
    };
    shape.layers.iter().enumerate().map(build).collect()
}

/// How the full-attention layers attend.
pub(super) fn heads(shape: &Qwen35Moe) -> Heads {
    Heads {
        query: shape.query_heads as usize,
        kv: shape.kv_heads as usize,
        dim: shape.head_dim as usize,
        scale: 1.0 / (shape.head_dim as f32).sqrt(),
        window: None,
    }
}

impl Layer for QwenLayer {
    fn forward(&mut self, x: &mut Activations, first: usize) -> Routed {
        let h = normalised(x, Some(&self.attn_norm), self.epsilon);
        x.add(&match &mut self.mixer {
            Mixer::Attention(attention) => attention.forward(&h, first, self.epsilon),
            Mixer::DeltaNet(delta_net) => delta_net.forward(&h, self.epsilon),
        });
        let h = normalised(x, Some(&self.post_attention_norm), self.epsilon);
        let routed = Routed::of(&self.router.times(&h), self.experts_used);
        x.add(&self.experts.apply(&h, &routed.choices));
        let mut shared = self.shared_expert.apply(&h);
        let gates = self.shared_router.times(&h);
        for (shared, gate) in shared.rows_mut().zip(gates.values()) {
            let gate = sigmoid(*gate);
            shared.iter_mut().for_each(|shared| *shared *= gate);
        }
        x.add(&shared);
        routed
    }

    fn reset(&mut self) {
        match &mut self.mixer {
            Mixer::Attention(attention) => attention.cache.clear(),
            Mixer::DeltaNet(delta_net) => delta_net.state.clear(),
        }
    }
}

impl GatedAttention {
    fn new(shape: &Qwen35Moe, weights: &Weights, context: usize) -> Result<Self, EngineError> {
        let heads = heads(shape);
        Ok(GatedAttention {
            heads,
            rope: Rope::new(shape.rotary_dim as usize, shape.rope_base),
            query_and_gate: weights.matrix("attn_q.weight")?,
            key: weights.matrix("attn_k.weight")?,
            value: weights.matrix("attn_v.weight")?,
            output: weights.matrix("attn_output.weight")?,
            query_norm: weights.vector("attn_q_norm.weight")?,
            key_norm: weights.vector("attn_k_norm.weight")?,
            cache: KvCache::new(heads, context, CHUNK)?,
        })
    }

    fn forward(&mut self, h: &Activations, first: usize, epsilon: f32) -> Activations {
        let dim = self.heads.dim;
        let both = self.query_and_gate.times(h);
        let (mut query, gate) = (
            both.columns(2 * dim, 0..dim),
            both.columns(2 * dim, dim..2 * dim),
        );
        let (mut key, value) = (self.key.times(h), self.value.times(h));
        norm_heads(&mut query, dim, Some(&self.query_norm), epsilon);
        norm_heads(&mut key, dim, Some(&self.key_norm), epsilon);
        self.rope.rotate(&mut query, dim, first);
        self.rope.rotate(&mut key, dim, first);
        self.cache.append(first, &key, &value);
        let mut out = self.heads.attend(&self.cache, &query, first);
        out.combine(&gate, |out, gate| *out *= sigmoid(gate));
        self.output.times(&out)
    }
}

impl GatedDeltaNet {
    fn new(shape: &Qwen35Moe, weights: &Weights) -> Result<Self, EngineError> {
        let heads = DeltaHeads {
            key: shape.key_heads as usize,
            value: shape.value_heads as usize,
            key_dim: shape.state_size as usize,
            value_dim: shape.value_dim as usize,
        };
        Ok(GatedDeltaNet {
            heads,
            query_key_value: weights.matrix("attn_qkv.weight")?,
            gate: weights.matrix("attn_gate.weight")?,
            alpha: weights.matrix("ssm_alpha.weight")?,
            beta: weights.matrix("ssm_beta.weight")?,
            convolution: weights.vector("ssm_conv1d.weight")?,
            decay: weights.vector("ssm_a")?,
            step_bias: weights.vector("ssm_dt.bias")?,
            norm: weights.vector("ssm_norm.weight")?,
            output: weights.matrix("ssm_out.weight")?,
            state: DeltaState::new(heads, shape.conv_kernel as usize)?,
        })
    }

    fn forward(&mut self, h: &Activations, epsilon: f32) -> Activations {
        let mixed = self
            .state
            .convolve(self.query_key_value.times(h), &self.convolution);
        let mut beta = self.beta.times(h);
        beta.values_mut()
            .iter_mut()
            .for_each(|beta| *beta = sigmoid(*beta));
        let mut decay = self.alpha.times(h);
        for row in decay.rows_mut() {
            for ((x, decay), bias) in row.iter_mut().zip(&self.decay).zip(&self.step_bias) {
                *x = decay * softplus(*x + bias);
            }
        }
        let mut out = self.state.apply(self.heads, mixed, &decay, &beta, epsilon);
        norm_heads(&mut out, self.heads.value_dim, Some(&self.norm), epsilon);
        out.combine(&self.gate.times(h), |out, gate| *out *= silu(gate));
        self.output.times(&out)
    }
}
