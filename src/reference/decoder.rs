//! A whole model over an opened file: token ids in, logits out. Reads weights in place and holds only what a context
//! leaves behind.

use crate::gguf::Gguf;
use crate::model::Architecture;

use super::ReferenceError;
use super::activation::softcap;
use super::gemma4::Gemma4Layer;
use super::matrix::Matrix;
use super::norm::rms_norm;
use super::pass::{Form, Observer, Pass, Point, each};
use super::qwen35moe::Qwen35MoeLayer;
use super::router::Routing;
use super::weights::Weights;

/// Tokens that prefill takes through the layers at once.
const BATCH: usize = 256;
/// Tokens whose logits are computed at once.
const LOGIT_BATCH: usize = 32;

/// A model and a context of tokens.
pub struct Decoder<'f> {
    architecture: Architecture,
    context: usize,
    embedding: Matrix<'f>,
    /// Multiplies the embedding.
    embedding_scale: f64,
    layers: Vec<Layer<'f>>,
    output_norm: Vec<f64>,
    output: Matrix<'f>,
    logit_cap: Option<f64>,
    epsilon: f64,
    position: usize,
    logits: Vec<f64>,
    routing: Vec<Routing>,
}

enum Layer<'f> {
    Qwen35Moe(Box<Qwen35MoeLayer<'f>>),
    Gemma4(Box<Gemma4Layer<'f>>),
}

impl<'f> Decoder<'f> {
    /// Opens the model in `file` with an empty context, which may hold as many tokens as the model was made for.
    pub fn new<B: AsRef<[u8]>>(file: &'f Gguf<B>) -> Result<Self, ReferenceError> {
        let architecture = Architecture::read(file.metadata(), file.tensors())?;
        architecture.check_tensors(file.tensors())?;
        let weights = Weights::new(file);
        let embedding = weights.matrix("token_embd.weight")?;
        let (embedding_scale, logit_cap, epsilon) = match &architecture {
            Architecture::Qwen35Moe(shape) => (1.0, None, shape.rms_epsilon),
            Architecture::Gemma4(shape) => {
                let scale = (shape.embedding as f64).sqrt();
                (scale, Some(shape.logit_cap.into()), shape.rms_epsilon)
            }
        };
        Ok(Decoder {
            context: usize::try_from(architecture.context()).unwrap_or(usize::MAX),
            embedding,
            embedding_scale,
            layers: layers(&architecture, &weights)?,
            output_norm: weights.vector("output_norm.weight")?,
            // Without a projection of its own, the output is the embedding's.
            output: weights.optional("output.weight")?.unwrap_or(embedding),
            logit_cap,
            epsilon: epsilon.into(),
            position: 0,
            logits: Vec::new(),
            routing: Vec::new(),
            architecture,
        })
    }

    /// The hyper-parameters.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Tokens in the context so far.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Most tokens that the context may hold.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Logits behind the last token, `[vocabulary]`; empty before the first.
    pub fn logits(&self) -> &[f64] {
        &self.logits
    }

    /// The routers' decisions for the last token, one for each layer; empty before the first.
    pub fn routing(&self) -> &[Routing] {
        &self.routing
    }

    /// Forgets all tokens.
    pub fn reset(&mut self) {
        for layer in &mut self.layers {
            match layer {
                Layer::Qwen35Moe(layer) => layer.reset(),
                Layer::Gemma4(layer) => layer.reset(),
            }
        }
        self.position = 0;
        self.logits.clear();
        self.routing.clear();
    }

    /// Appends one token by the definition of every operation, and returns the logits behind it.
    pub fn step(&mut self, id: u32) -> Result<&[f64], ReferenceError> {
        self.step_observed(id, &mut ())
    }

    /// [`step`](Self::step), showing `observer` what happens in every layer.
    pub fn step_observed(
        &mut self,
        id: u32,
        observer: &mut dyn Observer,
    ) -> Result<&[f64], ReferenceError> {
        self.admit(&[id])?;
        let normed = self.walk(&[id], Form::Stepwise, observer);
        self.logits = self.project(&normed).pop().unwrap_or_default();
        Ok(&self.logits)
    }

    /// Appends `ids` in batches, and returns the logits behind the last. The same numbers as of single steps, up to
    /// rounding, by another order of computation.
    pub fn prefill(&mut self, ids: &[u32]) -> Result<&[f64], ReferenceError> {
        self.prefill_observed(ids, &mut ())
    }

    /// [`prefill`](Self::prefill), showing `observer` what happens in every layer.
    pub fn prefill_observed(
        &mut self,
        ids: &[u32],
        observer: &mut dyn Observer,
    ) -> Result<&[f64], ReferenceError> {
        self.admit(ids)?;
        let mut last = None;
        for batch in ids.chunks(BATCH) {
            last = self.walk(batch, Form::Batched, observer).pop();
        }
        self.logits = self.project(last.as_slice()).pop().unwrap_or_default();
        Ok(&self.logits)
    }

    /// [`prefill_observed`](Self::prefill_observed) that gives `each` the logits behind every one of `ids`, with its
    /// position: what the model says where `ids` are taken as given.
    pub fn score(
        &mut self,
        ids: &[u32],
        observer: &mut dyn Observer,
        mut each: impl FnMut(usize, &[f64]),
    ) -> Result<(), ReferenceError> {
        self.admit(ids)?;
        for batch in ids.chunks(BATCH) {
            let mut position = self.position;
            let normed = self.walk(batch, Form::Batched, observer);
            for normed in normed.chunks(LOGIT_BATCH) {
                for logits in self.project(normed) {
                    each(position, &logits);
                    position += 1;
                    self.logits = logits;
                }
            }
        }
        Ok(())
    }
    /// Refuses ids that the model does not know, and more than there is room for; then nothing has changed.
    fn admit(&self, ids: &[u32]) -> Result<(), ReferenceError> {
        if ids.is_empty() {
            return Err(ReferenceError::NoTokens);
        }
        let vocabulary = self.architecture.vocabulary();
        if let Some(id) = ids.iter().find(|id| u64::from(**id) >= vocabulary) {
            return Err(ReferenceError::Token {
                id: *id,
                vocabulary,
            });
        }
        let found = self.position.saturating_add(ids.len());
        if found > self.context {
            return Err(ReferenceError::Context {
                context: self.context,
                found,
            });
        }
        Ok(())
    }

    /// Takes `ids` through the layers; gives the last residual streams after their norm.
    fn walk(&mut self, ids: &[u32], form: Form, observer: &mut dyn Observer) -> Vec<Vec<f64>> {
        let embed = |id: &u32| {
            let row = self.embedding.row(*id as usize);
            row.iter().map(|x| x * self.embedding_scale).collect()
        };
        let mut xs: Vec<Vec<f64>> = ids.iter().map(embed).collect();
        let mut pass = Pass {
            form,
            first: self.position,
            layer: 0,
            observer,
        };
        pass.show(Point::Embedding, &xs);
        self.routing.clear();
        for (index, layer) in self.layers.iter_mut().enumerate() {
            pass.layer = index;
            let mut routings = match layer {
                Layer::Qwen35Moe(layer) => layer.forward(&mut xs, &mut pass),
                Layer::Gemma4(layer) => layer.forward(&mut xs, &mut pass),
            };
            pass.show(Point::Layer, &xs);
            self.routing.extend(routings.pop());
        }
        self.position += ids.len();
        let normed = each(&xs, |x| rms_norm(x, &self.output_norm, self.epsilon));
        pass.layer = self.layers.len();
        pass.show(Point::Output, &normed);
        normed
    }

    /// The logits of each of `normed`.
    fn project(&self, normed: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let mut logits = self.output.times(normed);
        if let Some(cap) = self.logit_cap {
            let all = logits.iter_mut().flatten();
            all.for_each(|logit| *logit = softcap(*logit, cap));
        }
        logits
    }
}

fn layers<'f, B: AsRef<[u8]>>(
    architecture: &Architecture,
    weights: &Weights<'f, B>,
) -> Result<Vec<Layer<'f>>, ReferenceError> {
    let kinds = architecture.layers().iter().enumerate();
    match architecture {
        Architecture::Qwen35Moe(shape) => kinds
            .map(|(index, kind)| {
                let layer = Qwen35MoeLayer::open(shape, *kind, &weights.layer(index))?;
                Ok(Layer::Qwen35Moe(Box::new(layer)))
            })
            .collect(),
        Architecture::Gemma4(shape) => {
            let factors = weights.vector("rope_freqs.weight")?;
            kinds
                .map(|(index, kind)| {
                    let layer = Gemma4Layer::open(shape, *kind, &weights.layer(index), &factors)?;
                    Ok(Layer::Gemma4(Box::new(layer)))
                })
                .collect()
        }
    }
}
