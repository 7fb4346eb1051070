//! One layer of `qwen35moe`: a mixer, then routed experts beside one that every token uses.

use crate::model::{LayerKind, Qwen35Moe};

use super::ReferenceError;
use super::activation::sigmoid;
use super::delta_net::GatedDeltaNet;
use super::gated_attention::GatedAttention;
use super::matrix::{Matrix, dot};
use super::mlp::{Activation, Experts, GatedMlp};
use super::norm::rms_norm;
use super::pass::{Pass, Point, add, each};
use super::router::{Routing, route};
use super::weights::Weights;

/// A layer and what it remembers.
pub(super) struct Qwen35MoeLayer<'f> {
    mixer_norm: Vec<f64>,
    mixer: Mixer<'f>,
    expert_norm: Vec<f64>,
    router: Matrix<'f>,
    experts: Experts<'f>,
    experts_used: usize,
    shared: GatedMlp<'f>,
    shared_gate: Vec<f64>,
    epsilon: f64,
}

/// How the layer brings positions together.
enum Mixer<'f> {
    Attention(GatedAttention<'f>),
    DeltaNet(GatedDeltaNet<'f>),
}

impl<'f> Qwen35MoeLayer<'f> {
    pub fn open<B: AsRef<[u8]>>(
        shape: &Qwen35Moe,
        kind: LayerKind,
        weights: &Weights<'f, B>,
    ) -> Result<Self, ReferenceError> {
        let [gate, up] = weights.expert_gate_up(shape.expert_width as usize)?;
        Ok(Qwen35MoeLayer {
            mixer_norm: weights.vector("attn_norm.weight")?,
            mixer: match kind {
                LayerKind::GatedDeltaNet => Mixer::DeltaNet(GatedDeltaNet::open(shape, weights)?),
                _ => Mixer::Attention(GatedAttention::open(shape, weights)?),
            },
            expert_norm: weights.vector("post_attention_norm.weight")?,
            router: weights.matrix("ffn_gate_inp.weight")?,
            experts: Experts {
                gate,
                up,
                down: weights.expert_down(shape.embedding as usize)?,
                activation: Activation::Silu,
                scale: None,
            },
            experts_used: shape.experts_used as usize,
            shared: GatedMlp {
                gate: weights.matrix("ffn_gate_shexp.weight")?,
                up: weights.matrix("ffn_up_shexp.weight")?,
                down: weights.matrix("ffn_down_shexp.weight")?,
                activation: Activation::Silu,
            },
            shared_gate: weights.vector("ffn_gate_inp_shexp.weight")?,
            epsilon: shape.rms_epsilon.into(),
        })
    }

    /// Takes the tokens' residual streams `xs` through the layer.
    pub fn forward(&mut self, xs: &mut [Vec<f64>], pass: &mut Pass) -> Vec<Routing> {
        let hs = each(xs, |x| rms_norm(x, &self.mixer_norm, self.epsilon));
        let mixed = match &mut self.mixer {
            Mixer::Attention(attention) => attention.forward(&hs, pass),
            Mixer::DeltaNet(delta_net) => delta_net.forward(&hs, pass),
        };
        pass.show(Point::Mixer, &mixed);
        add(xs, &mixed);
        pass.show(Point::Middle, xs);

        let hs = each(xs, |x| rms_norm(x, &self.expert_norm, self.epsilon));
        let logits = self.router.times(&hs);
        let routings: Vec<Routing> = logits.iter().map(|l| route(l, self.experts_used)).collect();
        pass.show_routing(&routings);
        let mut out = self.experts.forward(&hs, &routings);
        let mut shared = self.shared.forward(&hs);
        for (shared, h) in shared.iter_mut().zip(&hs) {
            let gate = sigmoid(dot(&self.shared_gate, h));
            shared.iter_mut().for_each(|value| *value *= gate);
        }
        add(&mut out, &shared);
        pass.show(Point::FeedForward, &out);
        add(xs, &out);
        routings
    }

    pub fn reset(&mut self) {
        match &mut self.mixer {
            Mixer::Attention(attention) => attention.reset(),
            Mixer::DeltaNet(delta_net) => delta_net.reset(),
        }
    }
}
