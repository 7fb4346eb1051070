//! An engine for tests whose logits and experts are a simple function of the tokens so far.

use crate::model::{Architecture, Model, Scale};

use super::{Engine, EngineError};

/// The tiny Qwen's shape without its weights: the next token is `(sum of the tokens so far) % vocabulary`.
pub(crate) struct Fake {
    architecture: Architecture,
    context: usize,
    tokens: Vec<u32>,
    logits: Vec<f32>,
    routing: Vec<Vec<u32>>,
}

impl Fake {
    pub fn new(context: usize) -> Self {
        Fake {
            architecture: Model::Qwen35.architecture(Scale::Tiny),
            context,
            tokens: Vec::new(),
            logits: Vec::new(),
            routing: Vec::new(),
        }
    }

    /// The ids that follow `prompt`.
    pub fn continuation(prompt: &[u32], tokens: usize) -> Vec<u32> {
        let vocabulary = Fake::new(0).architecture.vocabulary();
        let mut sum: u64 = prompt.iter().map(|id| u64::from(*id)).sum();
        let mut next = || {
            let id = sum % vocabulary;
            sum += id;
            id as u32
        };
        (0..tokens).map(|_| next()).collect()
    }

    /// Numbers of the residual stream.
    pub const EMBEDDING: usize = 3;

    /// The residual stream with which `layer` begins where `id` was the last of `position` tokens.
    pub fn stream(id: u32, position: usize, layer: usize) -> [f32; Self::EMBEDDING] {
        [id as f32, position as f32, layer as f32]
    }

    /// Experts of each layer where `id` was the last of `position` tokens.
    pub fn experts(&self, id: u32, position: usize) -> Vec<Vec<u32>> {
        let (experts, used) = self.architecture.experts();
        let layer = |layer: usize| {
            let first = u64::from(id) + (layer + position) as u64;
            (first..first + used)
                .map(|slot| (slot % experts) as u32)
                .collect()
        };
        (0..self.architecture.layers().len()).map(layer).collect()
    }
}

impl Engine for Fake {
    fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    fn position(&self) -> usize {
        self.tokens.len()
    }

    fn context(&self) -> usize {
        self.context
    }

    fn reset(&mut self) {
        *self = Fake::new(self.context);
    }

    fn prefill(&mut self, ids: &[u32]) -> Result<(), EngineError> {
        let vocabulary = self.architecture.vocabulary();
        for id in ids {
            if u64::from(*id) >= vocabulary {
                return Err(EngineError::TokenOutOfRange {
                    id: *id,
                    vocabulary,
                });
            }
            if self.tokens.len() == self.context {
                return Err(EngineError::ContextFull {
                    context: self.context,
                    position: self.tokens.len(),
                    added: 1,
                });
            }
            self.tokens.push(*id);
            self.routing = self.experts(*id, self.tokens.len());
        }
        let sum: u64 = self.tokens.iter().map(|id| u64::from(*id)).sum();
        self.logits = (0..vocabulary)
            .map(|id| {
                if id == sum % vocabulary {
                    1.0
                } else {
                    -(id as f32)
                }
            })
            .collect();
        Ok(())
    }

    fn step_by_layers(&mut self, id: u32) -> Result<Vec<f32>, EngineError> {
        self.step(id)?;
        let stream = |layer| Fake::stream(id, self.tokens.len(), layer);
        Ok((0..self.architecture.layers().len())
            .flat_map(stream)
            .collect())
    }

    /// Tokens of id 1.
    fn fill(&mut self, tokens: usize) -> Result<(), EngineError> {
        super::limits::check_room(self.context, 0, tokens)?;
        self.reset();
        self.tokens = vec![1; tokens];
        Ok(())
    }

    fn logits(&self) -> &[f32] {
        &self.logits
    }

    fn routing(&self) -> &[Vec<u32>] {
        &self.routing
    }
}
