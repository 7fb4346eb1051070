//! A whole model as stages and places: what a token is on the device, and how much memory that takes.

use crate::engine::EngineError;
use crate::kernels::decode::{Address, Head, Matrix, NextToken, Norms, Stage, Token};
use crate::model::Architecture;

use super::batch::{self, BatchPlan};
use super::buffers::Buffers;
use super::planner::{Content, Planner, Source, Step, Upload, check_stage, narrow};
use super::{gemma, qwen};

/// Most bytes of a tensor that are on the way to its planes at a time.
const STAGING_BYTES: u64 = 64 << 20;

/// Where a plan is carried out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// First byte of device memory.
    pub base: u64,
    /// The ring that chosen ids are published in.
    pub ring: u64,
    /// Words of that ring.
    pub ring_size: u32,
    /// Steps whose experts are kept.
    pub trace_steps: u32,
    /// Multiprocessors.
    pub sm_count: u32,
    /// Most parts that attention cuts a context into, if not as many as fill them.
    pub splits_most: Option<u32>,
}

/// What a token passes through.
pub(super) struct Steps {
    /// Between its embedding and its logits.
    pub layers: Vec<Step>,
    /// Which of those is the first of each layer. Behind it, the residual stream's buffer holds what the layer begins with:
    /// either the stage leaves it alone, or what ends the layer before is done by this stage.
    pub begins: Vec<usize>,
    /// Logits and the choice.
    pub head: Step,
    /// The next token's embedding.
    pub next_token: Step,
}

impl Steps {
    /// The same in a context of `tokens` tokens.
    pub fn in_context(&self, tokens: usize) -> Self {
        let mut layers = Vec::new();
        let mut begins = Vec::new();
        for (index, step) in self.layers.iter().enumerate() {
            if self.begins.contains(&index) {
                begins.push(layers.len());
            }
            layers.extend(step.stage.in_context(tokens).map(|stage| Step {
                part: match stage {
                    Stage::Combine(_) => "attention, combine",
                    _ => step.part,
                },
                stage,
            }));
        }
        Self {
            layers,
            begins,
            head: self.head.clone(),
            next_token: self.next_token.clone(),
        }
    }

    /// All stages.
    pub fn stages(&self) -> impl Iterator<Item = &Stage> {
        let ends = [&self.head, &self.next_token];
        self.layers.iter().chain(ends).map(|step| &step.stage)
    }
}

/// A model on the device.
pub(super) struct Plan {
    pub steps: Steps,
    /// The same for many tokens at once, up to the head.
    pub batch: BatchPlan,
    /// What is copied to the device before the first token.
    pub uploads: Vec<Upload>,
    pub buffers: Buffers,
    /// Work space of uploads.
    pub staging: Address,
    pub staging_bytes: u64,
    /// Device memory that all of it takes.
    pub bytes: u64,
}

/// The model of `architecture`, whose tensors are those of `source`, with memory for `context` tokens.
pub(super) fn plan(
    architecture: &Architecture,
    source: &Source,
    context: usize,
    place: Place,
) -> Result<Plan, EngineError> {
    let mut planner = Planner::new(source, &place);
    let vocabulary = narrow("a vocabulary", architecture.vocabulary())?;
    let positions = narrow("a context", context as u64)?;
    let buffers = Buffers::new(
        &mut planner,
        architecture,
        vocabulary,
        positions,
        place.trace_steps,
    )?;
    let embedding = planner.matrix("token_embd.weight")?;
    // Without a projection of its own, the output is the embedding's.
    let output = planner.optional("output.weight")?.unwrap_or(embedding);
    let output_norm = planner.vector("output_norm.weight")?;
    let (ending, epsilon, scale, cap) = match architecture {
        Architecture::Qwen35Moe(shape) => {
            let ending = qwen::layers(&mut planner, shape, &buffers, positions)?;
            (ending, shape.rms_epsilon, 1.0, 0.0)
        }
        Architecture::Gemma4(shape) => {
            let ending = gemma::layers(&mut planner, shape, &buffers, positions)?;
            let scale = (shape.embedding as f32).sqrt();
            (ending, shape.rms_epsilon, scale, shape.logit_cap)
        }
    };
    let head = Head {
        norms: Norms {
            x: ending.x,
            kind: ending.kind,
            weights: [output_norm, Address::NULL],
            columns: output.columns,
            epsilon,
        },
        matrix: output,
        logits: buffers.logits,
        token: buffers.token,
        rows: vocabulary,
        cap,
    };
    check_stage(&Stage::Head(head))?;
    let next_token = next_token(embedding, &buffers, scale, vocabulary, place);
    let layers = std::mem::take(&mut planner.steps);
    let batch = batch::plan(&mut planner, &layers, (&head, &next_token), positions)?;
    let staging_bytes = planner.uploads.iter().map(staged).max().unwrap_or(0);
    let staging = planner.take(staging_bytes);
    let bytes = planner.used();
    Ok(Plan {
        steps: Steps {
            layers,
            begins: planner.begins,
            head: Step {
                part: "head",
                stage: Stage::Head(head),
            },
            next_token: Step {
                part: "next token",
                stage: Stage::NextToken(next_token),
            },
        },
        batch,
        uploads: planner.uploads,
        buffers,
        staging,
        staging_bytes,
        bytes,
    })
}

fn next_token(
    embedding: Matrix,
    buffers: &Buffers,
    scale: f32,
    vocabulary: u32,
    place: Place,
) -> NextToken {
    NextToken {
        embedding,
        token: buffers.token,
        forced: buffers.forced,
        x: buffers.x,
        ring: Address(place.ring),
        scale,
        vocabulary,
        ring_size: place.ring_size,
    }
}

/// Bytes that an upload needs beside its place.
fn staged(upload: &Upload) -> u64 {
    match &upload.content {
        Content::Tensor { tensor, planes } if planes.is_cut() => tensor
            .bytes
            .min(STAGING_BYTES.next_multiple_of(tensor.ty.block_bytes())),
        _ => 0,
    }
}

/// The record that a run begins with.
pub(super) fn first_token(position: usize, forced: usize) -> Token {
    // A context has no more tokens than 32 bits count.
    Token::before(position as u32, forced as u32)
}
