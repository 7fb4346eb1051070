//! Gated feed-forward networks: one for every token, or a choice of many for each.

use super::activation::{gelu, silu};
use super::matrix::{ExpertMatrices, Matrix};
use super::router::Routing;

/// The function that the gate passes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// SwiGLU (Shazeer 2020).
    Silu,
    /// GeGLU with the tanh form.
    Gelu,
}

impl Activation {
    /// The function at `x`.
    pub fn at(self, x: f64) -> f64 {
        match self {
            Activation::Silu => silu(x),
            Activation::Gelu => gelu(x),
        }
    }
}

/// down · (act(gate · x) ⊙ up · x).
#[derive(Debug, Clone, Copy)]
pub struct GatedMlp<'f> {
    /// `[width][model width]`
    pub gate: Matrix<'f>,
    /// `[width][model width]`
    pub up: Matrix<'f>,
    /// `[model width][width]`
    pub down: Matrix<'f>,
    /// What the gate passes through.
    pub activation: Activation,
}

impl GatedMlp<'_> {
    /// The output for each of `xs`.
    pub fn forward(&self, xs: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let (gates, ups) = (self.gate.times(xs), self.up.times(xs));
        let gated = |(gate, up): (Vec<f64>, Vec<f64>)| {
            let pairs = gate.iter().zip(&up);
            pairs.map(|(g, u)| self.activation.at(*g) * u).collect()
        };
        let hidden: Vec<Vec<f64>> = gates.into_iter().zip(ups).map(gated).collect();
        self.down.times(&hidden)
    }
}

/// The routed experts of one layer.
#[derive(Debug, Clone)]
pub struct Experts<'f> {
    /// Gate projections.
    pub gate: ExpertMatrices<'f>,
    /// Up projections.
    pub up: ExpertMatrices<'f>,
    /// Down projections.
    pub down: ExpertMatrices<'f>,
    /// What the gates pass through.
    pub activation: Activation,
    /// A factor for each expert's output; none means 1.
    pub scale: Option<Vec<f64>>,
}

impl Experts<'_> {
    /// Σ weight · scale · expert(x) over the experts chosen for each of `xs`; each expert runs once, for all tokens that
    /// use it.
    pub fn forward(&self, xs: &[Vec<f64>], routings: &[Routing]) -> Vec<Vec<f64>> {
        let mut out: Vec<Vec<f64>> = xs.iter().map(|x| vec![0.0; x.len()]).collect();
        let experts = routings.first().map_or(0, |r| r.probabilities.len());
        for expert in 0..experts {
            let weight_in = |routing: &Routing| {
                let mut chosen = routing.chosen.iter();
                chosen
                    .find(|choice| choice.expert as usize == expert)
                    .map(|choice| choice.weight)
            };
            let users = routings.iter().enumerate();
            let users: Vec<(usize, f64)> = users
                .filter_map(|(token, routing)| Some((token, weight_in(routing)?)))
                .collect();
            if users.is_empty() {
                continue;
            }
            let inputs: Vec<Vec<f64>> = users.iter().map(|(token, _)| xs[*token].clone()).collect();
            let scale = self.scale.as_ref().map_or(1.0, |scale| scale[expert]);
            let outputs = self.expert(expert).forward(&inputs);
            for ((token, weight), output) in users.iter().zip(&outputs) {
                for (out, value) in out[*token].iter_mut().zip(output) {
                    *out += weight * scale * value;
                }
            }
        }
        out
    }

    fn expert(&self, expert: usize) -> GatedMlp<'_> {
        GatedMlp {
            gate: self.gate.of(expert),
            up: self.up.of(expert),
            down: self.down.of(expert),
            activation: self.activation,
        }
    }
}
