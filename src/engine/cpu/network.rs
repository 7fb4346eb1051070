//! A model's layers between its embedding and its output projection. Checks nothing that it is given.

use std::sync::Arc;

use crate::engine::EngineError;
use crate::gguf::Gguf;
use crate::model::Architecture;

use super::activations::Activations;
use super::layer::Layer;
use super::matrix::Matrix;
use super::memory::CHUNK;
use super::norm::normalised;
use super::weights::Weights;
use super::{gemma4, qwen35moe};

/// The whole model, and what it made of the tokens so far.
pub(super) struct Network {
    embedding: Matrix,
    embedding_scale: f32,
    layers: Vec<Box<dyn Layer>>,
    output_norm: Vec<f32>,
    epsilon: f32,
    output: Matrix,
    /// Logits are capped smoothly at plus and minus this.
    logit_cap: Option<f32>,
    position: usize,
    logits: Vec<f32>,
    routing: Vec<Vec<u32>>,
    /// Probability of every expert for the last token, \[layers\]\[experts\].
    router: Vec<Vec<f32>>,
}

impl Network {
    /// The model of `architecture`, which has every tensor in `file`, with memory for `context` tokens.
    pub fn new(
        architecture: &Architecture,
        file: &Arc<Gguf>,
        context: usize,
    ) -> Result<Self, EngineError> {
        let weights = Weights::of_model(file);
        let embedding = weights.matrix("token_embd.weight")?;
        // Without a projection of its own, the output is the embedding's.
        let output = weights
            .optional("output.weight")?
            .unwrap_or_else(|| embedding.clone());
        let output_norm = weights.vector("output_norm.weight")?;
        let (position, logits) = (0, Vec::new());
        let (routing, router) = (Vec::new(), Vec::new());
        Ok(match architecture {
            Architecture::Qwen35Moe(shape) => Network {
                embedding,
                embedding_scale: 1.0,
                layers: qwen35moe::layers(shape, file, context)?,
                output_norm,
                epsilon: shape.rms_epsilon,
                output,
                logit_cap: None,
                position,
                logits,
                routing,
                router,
            },
            Architecture::Gemma4(shape) => Network {
                embedding,
                embedding_scale: (shape.embedding as f32).sqrt(),
                layers: gemma4::layers(shape, file, context)?,
                output_norm,
                epsilon: shape.rms_epsilon,
                output,
                logit_cap: Some(shape.logit_cap),
                position,
                logits,
                routing,
                router,
            },
        })
    }

    /// Tokens so far.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Logits behind the last token.
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// The experts that each layer chose for the last token.
    pub fn routing(&self) -> &[Vec<u32>] {
        &self.routing
    }

    /// What each layer's router made of the last token.
    pub fn router(&self) -> &[Vec<f32>] {
        &self.router
    }

    /// Forgets all tokens.
    pub fn reset(&mut self) {
        self.layers.iter_mut().for_each(|layer| layer.reset());
        self.position = 0;
        self.logits.clear();
        self.routing.clear();
        self.router.clear();
    }

    /// Appends `ids`, which the vocabulary has, where the context has room for them.
    pub fn append(&mut self, ids: &[u32]) {
        let mut chunks = ids.chunks(CHUNK).peekable();
        while let Some(chunk) = chunks.next() {
            let x = self.forward(chunk, |_| {});
            if chunks.peek().is_none() {
                self.logits = self.project(&x);
            }
        }
    }

    /// [`append`](Self::append) of one token; gives the residual stream with which each layer begins,
    /// \[layers\]\[embedding\].
    pub fn append_by_layers(&mut self, id: u32) -> Vec<f32> {
        let mut layers = Vec::new();
        let x = self.forward(&[id], |x| layers.extend_from_slice(x.values()));
        self.logits = self.project(&x);
        layers
    }

    /// Passes a chunk of tokens through all layers and gives back what leaves the last one. `begins` sees the residual
    /// stream in front of each layer.
    fn forward(&mut self, ids: &[u32], mut begins: impl FnMut(&Activations)) -> Activations {
        let mut x = Activations::zeros(ids.len(), self.embedding.columns());
        for (row, id) in x.rows_mut().zip(ids) {
            self.embedding.part(*id as usize, 1).dequantize(row);
            row.iter_mut().for_each(|x| *x *= self.embedding_scale);
        }
        self.routing.clear();
        self.router.clear();
        for layer in &mut self.layers {
            begins(&x);
            let routed = layer.forward(&mut x, self.position);
            let last = routed.choices.last().into_iter().flatten();
            self.routing
                .push(last.map(|choice| choice.expert as u32).collect());
            self.router.push(routed.last);
        }
        self.position += ids.len();
        x
    }

    /// The logits behind the last token of `x`.
    fn project(&self, x: &Activations) -> Vec<f32> {
        let last = normalised(&x.last(), Some(&self.output_norm), self.epsilon);
        let mut logits = self.output.times(&last).into_values();
        if let Some(cap) = self.logit_cap {
            logits
                .iter_mut()
                .for_each(|logit| *logit = cap * (*logit / cap).tanh());
        }
        logits
    }
}
