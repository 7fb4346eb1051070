//! Gated DeltaNet of `qwen35moe`: a convolution over the last few positions, then the gated delta rule.

use crate::model::Qwen35Moe;

use super::ReferenceError;
use super::activation::{sigmoid, silu, softplus};
use super::conv::ConvWindow;
use super::delta_rule::{DeltaInput, DeltaState, delta_chunk, delta_step};
use super::matrix::Matrix;
use super::norm::{l2_unit, rms_norm};
use super::pass::{Form, Pass};
use super::weights::Weights;

/// Positions that the chunked form takes at once.
const CHUNK: usize = 64;

/// One layer's Gated DeltaNet and what it remembers.
pub(super) struct GatedDeltaNet<'f> {
    query_key_value: Matrix<'f>,
    gate: Matrix<'f>,
    alpha: Matrix<'f>,
    beta: Matrix<'f>,
    /// One row of taps for each channel.
    kernel: Vec<Vec<f64>>,
    /// Negative: the file holds -e^A.
    decay_rate: Vec<f64>,
    step_bias: Vec<f64>,
    norm: Vec<f64>,
    output: Matrix<'f>,
    key_heads: usize,
    key_dim: usize,
    value_dim: usize,
    epsilon: f64,
    window: ConvWindow,
    /// One for each value head.
    states: Vec<DeltaState>,
}

impl<'f> GatedDeltaNet<'f> {
    pub fn open<B: AsRef<[u8]>>(
        shape: &Qwen35Moe,
        weights: &Weights<'f, B>,
    ) -> Result<Self, ReferenceError> {
        let mut layer = GatedDeltaNet {
            query_key_value: weights.matrix("attn_qkv.weight")?,
            gate: weights.matrix("attn_gate.weight")?,
            alpha: weights.matrix("ssm_alpha.weight")?,
            beta: weights.matrix("ssm_beta.weight")?,
            kernel: weights.matrix("ssm_conv1d.weight")?.to_rows(),
            decay_rate: weights.vector("ssm_a")?,
            step_bias: weights.vector("ssm_dt.bias")?,
            norm: weights.vector("ssm_norm.weight")?,
            output: weights.matrix("ssm_out.weight")?,
            key_heads: shape.key_heads as usize,
            key_dim: shape.state_size as usize,
            value_dim: shape.value_dim as usize,
            epsilon: shape.rms_epsilon.into(),
            window: ConvWindow::new(0, 0),
            states: Vec::new(),
        };
        layer.reset();
        Ok(layer)
    }

    /// What the layer makes of each of `hs`, `[embedding]`.
    pub fn forward(&mut self, hs: &[Vec<f64>], pass: &Pass) -> Vec<Vec<f64>> {
        let inputs = self.head_inputs(hs);
        let mut read = vec![Vec::new(); hs.len()]; // [token][value heads × value dimension]
        for (state, inputs) in self.states.iter_mut().zip(&inputs) {
            let outputs: Vec<Vec<f64>> = match pass.form {
                Form::Stepwise => inputs
                    .iter()
                    .map(|input| delta_step(state, input))
                    .collect(),
                Form::Batched => {
                    let chunks = inputs.chunks(CHUNK);
                    chunks.flat_map(|chunk| delta_chunk(state, chunk)).collect()
                }
            };
            for (token, output) in read.iter_mut().zip(outputs) {
                token.extend(output);
            }
        }
        for (token, gates) in read.iter_mut().zip(self.gate.times(hs)) {
            let heads = token.chunks_exact(self.value_dim);
            let normed = heads.flat_map(|head| rms_norm(head, &self.norm, self.epsilon));
            *token = normed.zip(gates).map(|(x, gate)| x * silu(gate)).collect();
        }
        self.output.times(&read)
    }

    /// What each of `hs` brings to each value head, `[value heads][tokens]`.
    fn head_inputs(&mut self, hs: &[Vec<f64>]) -> Vec<Vec<DeltaInput>> {
        let projected = self.query_key_value.times(hs);
        let (alphas, betas) = (self.alpha.times(hs), self.beta.times(hs));
        let mut inputs = vec![Vec::new(); self.states.len()];
        for ((projected, alpha), beta) in projected.into_iter().zip(&alphas).zip(&betas) {
            let convolved = self.window.convolve(&self.kernel, projected);
            let of_token = self.token_inputs(&convolved, alpha, beta);
            for (head, input) in inputs.iter_mut().zip(of_token) {
                head.push(input);
            }
        }
        inputs
    }

    /// What one token brings to each value head. `convolved` is [queries | keys | values] before the activation.
    fn token_inputs(&self, convolved: &[f64], alpha: &[f64], beta: &[f64]) -> Vec<DeltaInput> {
        let active: Vec<f64> = convolved.iter().map(|y| silu(*y)).collect();
        let (queries, rest) = active.split_at(self.key_heads * self.key_dim);
        let (keys, values) = rest.split_at(self.key_heads * self.key_dim);
        let unit = |head: &[f64]| l2_unit(head, self.epsilon);
        let keys: Vec<Vec<f64>> = keys.chunks_exact(self.key_dim).map(unit).collect();
        let queries: Vec<Vec<f64>> = queries.chunks_exact(self.key_dim).map(unit).collect();
        let root = (self.key_dim as f64).sqrt();
        let input = |(head, value): (usize, &[f64])| {
            // In files, value heads go round the key heads: 0, 1, 2, …, 0, 1, 2, …
            let key_head = head % self.key_heads;
            DeltaInput {
                query: queries[key_head].iter().map(|q| q / root).collect(),
                key: keys[key_head].clone(),
                value: value.to_vec(),
                log_decay: self.decay_rate[head] * softplus(alpha[head] + self.step_bias[head]),
                beta: sigmoid(beta[head]),
            }
        };
        let values = values.chunks_exact(self.value_dim);
        values.enumerate().map(input).collect()
    }

    pub fn reset(&mut self) {
        let taps = self.kernel.first().map_or(1, Vec::len);
        self.window = ConvWindow::new(self.kernel.len(), taps);
        let state = vec![vec![0.0; self.key_dim]; self.value_dim];
        self.states = vec![state; self.decay_rate.len()];
    }
}
