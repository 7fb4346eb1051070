//! One layer of `gemma4`: attention, then a dense network and routed experts side by side, each with its own norms.

use crate::model::{Gemma4, LayerKind};

use super::ReferenceError;
use super::gemma4_attention::Gemma4Attention;
use super::matrix::Matrix;
use super::mlp::{Activation, Experts, GatedMlp};
use super::norm::rms_norm;
use super::pass::{Pass, Point, add, each};
use super::router::{Routing, route, scaled_router_input};
use super::weights::Weights;

/// A layer and what it remembers.
pub(super) struct Gemma4Layer<'f> {
    attention_norm: Vec<f64>,
    attention: Gemma4Attention<'f>,
    after_attention_norm: Vec<f64>,
    dense_norm: Vec<f64>,
    dense: GatedMlp<'f>,
    after_dense_norm: Vec<f64>,
    router_scale: Vec<f64>,
    router: Matrix<'f>,
    expert_norm: Vec<f64>,
    experts: Experts<'f>,
    experts_used: usize,
    after_experts_norm: Vec<f64>,
    after_both_norm: Vec<f64>,
    /// Multiplies the residual stream behind the layer, all of it.
    output_scale: Vec<f64>,
    epsilon: f64,
}

impl<'f> Gemma4Layer<'f> {
    pub fn open<B: AsRef<[u8]>>(
        shape: &Gemma4,
        kind: LayerKind,
        weights: &Weights<'f, B>,
        rope_factors: &[f64],
    ) -> Result<Self, ReferenceError> {
        let [gate, up] = weights.expert_gate_up(shape.expert_width as usize)?;
        Ok(Gemma4Layer {
            attention_norm: weights.vector("attn_norm.weight")?,
            attention: Gemma4Attention::open(shape, kind, weights, rope_factors)?,
            after_attention_norm: weights.vector("post_attention_norm.weight")?,
            dense_norm: weights.vector("ffn_norm.weight")?,
            dense: GatedMlp {
                gate: weights.matrix("ffn_gate.weight")?,
                up: weights.matrix("ffn_up.weight")?,
                down: weights.matrix("ffn_down.weight")?,
                activation: Activation::Gelu,
            },
            after_dense_norm: weights.vector("post_ffw_norm_1.weight")?,
            router_scale: weights.vector("ffn_gate_inp.scale")?,
            router: weights.matrix("ffn_gate_inp.weight")?,
            expert_norm: weights.vector("pre_ffw_norm_2.weight")?,
            experts: Experts {
                gate,
                up,
                down: weights.expert_down(shape.embedding as usize)?,
                activation: Activation::Gelu,
                scale: Some(weights.vector("ffn_down_exps.scale")?),
            },
            experts_used: shape.experts_used as usize,
            after_experts_norm: weights.vector("post_ffw_norm_2.weight")?,
            after_both_norm: weights.vector("post_ffw_norm.weight")?,
            output_scale: weights.vector("layer_output_scale.weight")?,
            epsilon: shape.rms_epsilon.into(),
        })
    }

    /// Takes the tokens' residual streams `xs` through the layer.
    pub fn forward(&mut self, xs: &mut [Vec<f64>], pass: &mut Pass) -> Vec<Routing> {
        let epsilon = self.epsilon;
        let norm = |xs: &[Vec<f64>], weight: &[f64]| each(xs, |x| rms_norm(x, weight, epsilon));

        let attended = self
            .attention
            .forward(&norm(xs, &self.attention_norm), pass);
        let mixed = norm(&attended, &self.after_attention_norm);
        pass.show(Point::Mixer, &mixed);
        add(xs, &mixed);
        pass.show(Point::Middle, xs);

        let dense = self.dense.forward(&norm(xs, &self.dense_norm));
        let mut both = norm(&dense, &self.after_dense_norm);

        // The router reads the residual stream itself, the experts a norm of it.
        let inputs = each(xs, |x| scaled_router_input(x, &self.router_scale, epsilon));
        let logits = self.router.times(&inputs);
        let routings: Vec<Routing> = logits.iter().map(|l| route(l, self.experts_used)).collect();
        pass.show_routing(&routings);
        let routed = self
            .experts
            .forward(&norm(xs, &self.expert_norm), &routings);
        add(&mut both, &norm(&routed, &self.after_experts_norm));

        let out = norm(&both, &self.after_both_norm);
        pass.show(Point::FeedForward, &out);
        add(xs, &out);
        for scale in &self.output_scale {
            xs.iter_mut().flatten().for_each(|x| *x *= scale);
        }
        routings
    }

    pub fn reset(&mut self) {
        self.attention.reset();
    }
}
