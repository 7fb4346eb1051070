//! A prompt's tokens many at a time: the stages of a token, as the plan has them, become launches that take a row of every
//! buffer for each token of a batch. So there is one description of each model, that of decode.

use crate::engine::EngineError;
use crate::kernels::decode::{
    Activation, Address, Attention, Delta, ExpertsDown, ExpertsUp, Head, Matrix, NextToken,
    NormKind, Norms, Product as StageProduct, Project, Stage,
};
use crate::kernels::prefill::{
    Append, Convolve, Embed, Experts, Heads, Join, List, Mode, Product, PromptAttention, Route,
    Rows, Scan, Vectors, Work,
};

use super::planner::{Planner, Step, unsupported};
use super::rows::RowBuffers;
use super::scratch::Scratch;

/// Most tokens of a batch: as many as give most experts of both models full tiles of vectors.
const TOKENS: u32 = 1024;

/// How a prompt is processed.
pub(super) struct BatchPlan {
    /// Most tokens of a batch.
    pub tokens: u32,
    /// From the ids to the end of the last layer.
    pub work: Vec<Work>,
    /// What the head reads of the last token.
    pub ending: Vec<Handover>,
}

/// A row of the last token that decode's stages go on with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Handover {
    /// Of all tokens.
    pub from: Rows,
    /// Decode's own buffer.
    pub to: Address,
    /// Bytes of a row.
    pub bytes: u64,
}

/// Plans batches of a model whose tokens pass through `steps`, then `head` and `next_token`; `context` positions are kept.
pub(super) fn plan(
    planner: &mut Planner,
    steps: &[Step],
    (head, next_token): (&Head, &NextToken),
    context: u32,
) -> Result<BatchPlan, EngineError> {
    let tokens = TOKENS.min(context);
    let mut rows = RowBuffers::default();
    rows.add(next_token.x, next_token.embedding.columns);
    for step in steps {
        rows.add_stage(&step.stage);
    }
    rows.place(planner, tokens);
    let mut batch = Planned {
        scratch: Scratch::place(planner, steps, tokens)?,
        rows,
        tokens,
        work: Vec::new(),
        made: [None; 2],
    };
    batch.push(Work::Embed(Embed {
        embedding: next_token.embedding,
        x: batch.rows.of(next_token.x),
        scale: next_token.scale,
    }));
    let mut steps = steps.iter().map(|step| &step.stage).peekable();
    while let Some(stage) = steps.next() {
        match stage {
            Stage::Project(project) => batch.project(project),
            Stage::Delta(delta) => batch.delta(delta),
            Stage::Attention(attention) => batch.attention(attention),
            Stage::ExpertsUp(up) => {
                let Some(Stage::ExpertsDown(down)) = steps.peek() else {
                    return Err(out_of_place(stage));
                };
                batch.experts_up(up);
                batch.experts_down(down);
                steps.next();
            }
            _ => return Err(out_of_place(stage)),
        }
    }
    let ending = batch.ending(&head.norms);
    Ok(BatchPlan {
        tokens,
        work: batch.work,
        ending,
    })
}

fn out_of_place(stage: &Stage) -> EngineError {
    unsupported(
        format!("stage {}", stage.name()),
        "a stage that batches are made of, in its place".to_owned(),
        "another",
    )
}

struct Planned {
    scratch: Scratch,
    rows: RowBuffers,
    tokens: u32,
    work: Vec<Work>,
    /// What the buffers of integers and of numbers hold.
    made: [Option<Vectors>; 2],
}

impl Planned {
    fn push(&mut self, work: Work) {
        self.work.push(work);
    }

    /// The batch's addresses in place of decode's.
    fn norms(&self, norms: &Norms) -> (Norms, [u32; 4]) {
        let x = self.rows.of(norms.x);
        let mut strides = [x.stride, 0, 0, 0];
        let mut moved = |address: Address, index: usize| {
            let rows = self.rows.of(address);
            strides[index] = rows.stride;
            rows.at
        };
        let kind = match norms.kind {
            NormKind::AddNorm {
                a,
                weight,
                residual,
            } => NormKind::AddNorm {
                a: moved(a, 1),
                weight,
                residual: moved(residual, 3),
            },
            NormKind::GemmaNext {
                dense,
                experts,
                weights,
                residual,
                scale,
            } => NormKind::GemmaNext {
                dense: moved(dense, 1),
                experts: moved(experts, 2),
                weights,
                residual: moved(residual, 3),
                scale,
            },
            NormKind::HeadsGated { gate, weight, head } => NormKind::HeadsGated {
                gate: moved(gate, 1),
                weight,
                head,
            },
            same => same,
        };
        let norms = Norms {
            x: x.at,
            kind,
            ..*norms
        };
        (norms, strides)
    }

    /// Makes the vectors that a matrix is multiplied with, unless they are there.
    fn vectors(&mut self, norms: &Norms, index: u32, as_values: bool) {
        let (norms, strides) = self.norms(norms);
        self.make(norms, strides, index, 1, as_values);
    }

    fn make(&mut self, norms: Norms, strides: [u32; 4], index: u32, each: u32, as_values: bool) {
        let vectors = Vectors {
            norms,
            index,
            each,
            strides,
            as_values,
            quants: self.scratch.quants,
            factors: self.scratch.factors,
            values: self.scratch.values,
        };
        let made = &mut self.made[usize::from(as_values)];
        let is_there = made.is_some_and(|made| vectors.repeats(&made));
        *made = Some(vectors);
        if !is_there {
            self.push(Work::Vectors(vectors));
        }
    }

    /// The vectors that lie in `rows`, `each` of a token.
    fn plain(&mut self, rows: Rows, columns: u32, each: u32, as_values: bool) {
        let norms = Norms {
            x: rows.at,
            kind: NormKind::Plain,
            weights: [Address::NULL; 2],
            columns,
            epsilon: 0.0,
        };
        self.make(norms, [rows.stride, 0, 0, 0], 0, each, as_values);
    }

    fn product(&self, (matrix, up): (Matrix, Matrix), rows: u32, mode: Mode, out: Rows) -> Product {
        Product {
            matrix,
            up,
            quants: self.scratch.quants,
            factors: self.scratch.factors,
            values: self.scratch.values,
            out,
            rows,
            mode,
            experts: None,
        }
    }

    fn project(&mut self, project: &Project) {
        // Which vector lies there as integers, and which as numbers.
        let mut here = [None; 2];
        for segment in &project.segments {
            let (matrix, up, mode) = match segment.product {
                StageProduct::Store(matrix) => (matrix, Matrix::NONE, Mode::Store),
                StageProduct::Add(matrix) => (matrix, Matrix::NONE, Mode::Add),
                StageProduct::Silu { gate, up } => (gate, up, Mode::Silu),
                StageProduct::Gelu { gate, up } => (gate, up, Mode::Gelu),
            };
            let form = usize::from(matrix.takes_values());
            if here[form] != Some(segment.vector) {
                self.vectors(&project.norms, segment.vector, matrix.takes_values());
                here[form] = Some(segment.vector);
            }
            let out = self.rows.of(segment.out);
            let product = self.product((matrix, up), segment.rows, mode, out);
            self.push(Work::Product(product));
        }
    }

    fn delta(&mut self, delta: &Delta) {
        let inputs = Convolve {
            step: *delta,
            projected: self.rows.of(delta.projected),
            alpha: self.rows.of(delta.alpha).at,
            beta: self.rows.of(delta.beta).at,
            active: self.scratch.active,
            gates: self.scratch.gates,
            products: self.scratch.products,
        };
        self.push(Work::Convolve(inputs));
        let out = self.rows.of(delta.out);
        self.push(Work::Scan(Scan { inputs, out }));
    }

    fn attention(&mut self, attention: &Attention) {
        let heads = Heads {
            step: *attention,
            query: self.rows.of(attention.query),
            key: self.rows.of(attention.key),
            value: self.rows.of(attention.value),
            queries: self.scratch.queries,
            keys: self.scratch.keys,
            values: self.scratch.batch_values,
            batch: self.tokens,
        };
        self.push(Work::Heads(heads));
        self.push(Work::Attention(PromptAttention {
            heads,
            gate: self.rows.of(attention.gate),
            gate_stride: attention.gate_stride,
            out: self.rows.of(attention.out),
        }));
        // Not before: queries of the batch see what its keys overwrite.
        self.push(Work::Append(Append { heads }));
    }

    fn chosen_by(&self, experts: u32, used: u32, divide: u32) -> Experts {
        Experts {
            list: self.scratch.list,
            counts: self.scratch.counts,
            experts,
            used,
            capacity: self.tokens,
            divide,
        }
    }

    fn experts_up(&mut self, up: &ExpertsUp) {
        self.push(Work::Route(Route {
            router: self.rows.of(up.router).at,
            expert_scale: up.expert_scale,
            chosen: self.scratch.chosen,
            weight: self.scratch.weight,
            trace: up.trace,
            experts: up.experts,
            used: up.used,
        }));
        self.push(Work::List(List {
            chosen: self.scratch.chosen,
            list: self.scratch.list,
            counts: self.scratch.counts,
            experts: up.experts,
            used: up.used,
            capacity: self.tokens,
        }));
        self.vectors(&up.norms, 0, up.gate.takes_values());
        let mode = match up.activation {
            Activation::Silu => Mode::Silu,
            Activation::Gelu => Mode::Gelu,
        };
        let out = Rows {
            at: self.scratch.hidden,
            stride: up.width,
        };
        self.push(Work::Product(Product {
            experts: Some(self.chosen_by(up.experts, up.used, up.used)),
            ..self.product((up.gate, up.up), up.width, mode, out)
        }));
    }

    fn experts_down(&mut self, down: &ExpertsDown) {
        let hidden = Rows {
            at: self.scratch.hidden,
            stride: down.width,
        };
        self.plain(hidden, down.width, down.used, down.down.takes_values());
        let routed = Rows {
            at: self.scratch.routed,
            stride: down.rows,
        };
        self.push(Work::Product(Product {
            experts: Some(self.chosen_by(down.experts, down.used, 1)),
            ..self.product((down.down, Matrix::NONE), down.rows, Mode::Store, routed)
        }));
        let shared_hidden = self.rows.of(down.shared_hidden);
        let as_values = down.shared.takes_values();
        self.plain(shared_hidden, down.shared_width, 1, as_values);
        // Apart from the experts' sum, or beside it until that is made.
        let (out, added) = match down.shared_out {
            Address::NULL => {
                let beside = Rows {
                    at: self.scratch.shared,
                    stride: down.rows,
                };
                (beside, self.scratch.shared)
            }
            apart => (self.rows.of(apart), Address::NULL),
        };
        let shared = self.product((down.shared, Matrix::NONE), down.rows, Mode::Store, out);
        self.push(Work::Product(shared));
        self.push(Work::Join(Join {
            routed: self.scratch.routed,
            weight: self.scratch.weight,
            shared: added,
            shared_gate: self.rows.of(down.shared_gate).at,
            out: self.rows.of(down.out),
            used: down.used,
            rows: down.rows,
            add: down.add,
        }));
    }

    /// The rows that the head's norms read.
    fn ending(&self, norms: &Norms) -> Vec<Handover> {
        let read = match norms.kind {
            NormKind::GemmaNext { dense, experts, .. } => vec![norms.x, dense, experts],
            _ => vec![norms.x],
        };
        let handover = |to| Handover {
            from: self.rows.of(to),
            to,
            bytes: u64::from(norms.columns) * 4,
        };
        read.into_iter().map(handover).collect()
    }
}
