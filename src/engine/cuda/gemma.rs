//! The stages of a layer of `gemma4`: sliding or full attention, then a dense MLP and routed experts side by side. The norms
//! behind both belong to the next layer's first stage, or to the head.

use crate::engine::EngineError;
use crate::kernels::decode::{
    Activation, Address, Attention, ExpertsDown, NormKind, Norms, Product, Project, Segment, Stage,
};
use crate::model::{Gemma4, LayerKind};

use super::buffers::{Buffers, Ending};
use super::parts::{Name, Routed, check_heads, experts_up, frequencies, store, stores};
use super::planner::{Planner, narrow};

/// Buffers that one layer after another uses.
struct Work {
    query: Address,
    key: Address,
    value: Address,
    partial: Address,
    /// Counters of attention that joins its splits.
    arrivals: Address,
    /// What attention hands to its output projection.
    mixed: Address,
    /// Attention's output.
    attended: Address,
    /// The residual stream behind attention.
    h: Address,
    dense_hidden: Address,
    /// Outputs of the dense MLP and of the experts.
    dense: Address,
    sparse: Address,
    /// Radians per position in sliding and in full layers.
    sliding_frequency: Address,
    full_frequency: Address,
}

/// How the layers of one kind attend.
struct Heads {
    kv: u32,
    dim: u32,
    queries: u32,
    keys: u32,
    rotary: u32,
    frequency: Address,
    /// 0 for all positions.
    window: u32,
    capacity: u32,
    splits: u32,
    short_splits: u32,
}

/// Adds the stages of every layer; `context` positions are kept, of sliding layers no more than the window.
pub(super) fn layers(
    planner: &mut Planner,
    shape: &Gemma4,
    buffers: &Buffers,
    context: u32,
) -> Result<Ending, EngineError> {
    for kind in [LayerKind::SlidingAttention, LayerKind::FullAttention] {
        if shape.layers.contains(&kind) {
            let what = match kind {
                LayerKind::SlidingAttention => "sliding attention",
                _ => "full attention",
            };
            check_heads(what, shape.attention(kind).1)?;
        }
    }
    let embedding = narrow("a residual stream", shape.embedding)?;
    let work = work(planner, shape, embedding, context)?;
    // What is done with the residual stream in front of a layer: nothing but the norm before the first.
    let mut ending = Ending {
        x: buffers.x,
        kind: NormKind::Norm,
    };
    for (index, kind) in shape.layers.iter().enumerate() {
        let name = |name: &str| format!("blk.{index}.{name}");
        let heads = heads(planner, shape, *kind, &work, context)?;
        let layer = Layer {
            shape,
            embedding,
            buffers,
            work: &work,
            name: &name,
        };
        planner.begin_layer();
        layer.attend(planner, &heads, ending)?;
        ending = layer.experts(planner, index)?;
    }
    // Nobody reads the residual stream behind the head.
    if let NormKind::GemmaNext { residual, .. } = &mut ending.kind {
        *residual = Address::NULL;
    }
    Ok(ending)
}

fn work(
    planner: &mut Planner,
    shape: &Gemma4,
    embedding: u32,
    context: u32,
) -> Result<Work, EngineError> {
    let (mut queries, mut keys, mut partial) = (0, 0, 0);
    for kind in &shape.layers {
        let (kv, dim) = shape.attention(*kind);
        queries = queries.max(shape.query_heads * dim);
        keys = keys.max(kv * dim);
        let [splits, _] = splits(planner, shape, *kind, context)?;
        partial = partial.max(Attention::partial_bytes(
            shape.query_heads as u32,
            splits,
            dim as u32,
        ));
    }
    let (queries, keys) = (narrow("queries", queries)?, narrow("keys", keys)?);
    let sliding = frequencies(shape.sliding_rotary_dim, shape.sliding_rope_base);
    // Slowed by a factor for each pair, as the CPU's rotation is.
    let mut full = frequencies(shape.full_rotary_dim, shape.full_rope_base);
    for (frequency, factor) in full.iter_mut().zip(planner.values("rope_freqs.weight")?) {
        *frequency /= f64::from(factor);
    }
    Ok(Work {
        query: planner.take_f32(queries),
        key: planner.take_f32(keys),
        value: planner.take_f32(keys),
        partial: planner.take(partial),
        arrivals: planner.zeros(narrow("query heads", shape.query_heads)?),
        mixed: planner.take_f32(queries),
        attended: planner.take_f32(embedding),
        h: planner.take_f32(embedding),
        dense_hidden: planner.take_f32(shape.dense_width as u32),
        dense: planner.take_f32(embedding),
        sparse: planner.take_f32(embedding),
        sliding_frequency: planner.doubles(sliding),
        full_frequency: planner.doubles(full),
    })
}

/// Positions that a layer of one kind keeps.
fn capacity(shape: &Gemma4, kind: LayerKind, context: u32) -> u32 {
    match kind {
        LayerKind::SlidingAttention => u64::from(context).min(shape.window) as u32,
        _ => context,
    }
}

/// Parts that attention is cut into, and those while the context is short.
fn splits(
    planner: &Planner,
    shape: &Gemma4,
    kind: LayerKind,
    context: u32,
) -> Result<[u32; 2], EngineError> {
    let heads = narrow("query heads", shape.query_heads)?;
    let kv_heads = narrow("KV heads", shape.attention(kind).0)?;
    let capacity = capacity(shape, kind, context);
    Ok(match kind {
        // Few enough for attention to join them.
        LayerKind::SlidingAttention => {
            let splits = planner.short_splits(heads, kv_heads, capacity);
            [splits.min(Attention::MOST_JOINED); 2]
        }
        _ => [
            planner.splits(heads, kv_heads, capacity),
            planner.short_splits(heads, kv_heads, capacity),
        ],
    })
}

fn heads(
    planner: &Planner,
    shape: &Gemma4,
    kind: LayerKind,
    work: &Work,
    context: u32,
) -> Result<Heads, EngineError> {
    let (kv, dim) = shape.attention(kind);
    let (rotary, frequency, window) = match kind {
        LayerKind::SlidingAttention => (
            shape.sliding_rotary_dim,
            work.sliding_frequency,
            narrow("a window", shape.window)?,
        ),
        _ => (shape.full_rotary_dim, work.full_frequency, 0),
    };
    let [splits, short_splits] = splits(planner, shape, kind, context)?;
    Ok(Heads {
        kv: narrow("KV heads", kv)?,
        dim: narrow("a head", dim)?,
        queries: narrow("queries", shape.query_heads * dim)?,
        keys: narrow("keys", kv * dim)?,
        rotary: narrow("rotated dimensions", rotary)?,
        frequency,
        window,
        capacity: capacity(shape, kind, context),
        splits,
        short_splits,
    })
}

struct Layer<'a> {
    shape: &'a Gemma4,
    embedding: u32,
    buffers: &'a Buffers,
    work: &'a Work,
    name: Name<'a>,
}

impl Layer<'_> {
    /// From the end of the layer before to attention's output projection.
    fn attend(
        &self,
        planner: &mut Planner,
        heads: &Heads,
        before: Ending,
    ) -> Result<(), EngineError> {
        let (work, name, epsilon) = (self.work, self.name, self.shape.rms_epsilon);
        let [input, mixing, output_part] = match heads.window {
            0 => ["full input", "full attention", "full output"],
            _ => ["sliding input", "sliding attention", "sliding output"],
        };
        let products = [
            ("attn_q.weight", work.query, heads.queries),
            ("attn_k.weight", work.key, heads.keys),
        ];
        let mut segments = stores(planner, name, products)?;
        // Where there is no value projection, values are the keys' before norm and rotation.
        let value = match planner.optional(&name("attn_v.weight"))? {
            Some(matrix) => {
                segments.push(store(matrix, work.value, heads.keys));
                work.value
            }
            None => work.key,
        };
        let norm = planner.vector(&name("attn_norm.weight"))?;
        planner.push(
            input,
            Stage::Project(Project {
                norms: Norms {
                    x: before.x,
                    kind: before.kind,
                    weights: [norm, Address::NULL],
                    columns: self.embedding,
                    epsilon,
                },
                segments,
            }),
        )?;
        let cache = u64::from(heads.capacity) * u64::from(heads.keys) * 2;
        let (keys, values) = (planner.take(cache), planner.take(cache));
        let query_heads = self.shape.query_heads as u32;
        let attention = Attention {
            token: self.buffers.token,
            query: work.query,
            key: work.key,
            value,
            query_norm: planner.vector(&name("attn_q_norm.weight"))?,
            key_norm: planner.vector(&name("attn_k_norm.weight"))?,
            frequency: heads.frequency,
            keys,
            values,
            partial: work.partial,
            out: work.mixed,
            arrivals: work.arrivals,
            gate: Address::NULL,
            gate_stride: 0,
            query_stride: heads.dim,
            heads: query_heads,
            kv_heads: heads.kv,
            head_dim: heads.dim,
            rotary: heads.rotary,
            window: heads.window,
            capacity: heads.capacity,
            splits: heads.splits,
            short_splits: heads.short_splits,
            joins: heads.window != 0,
            value_norm: true,
            scale: 1.0,
            epsilon,
        };
        planner.push(mixing, Stage::Attention(attention))?;
        let output = planner.matrix(&name("attn_output.weight"))?;
        planner.push(
            output_part,
            Stage::Project(Project {
                norms: Norms {
                    x: work.mixed,
                    kind: NormKind::Plain,
                    weights: [Address::NULL; 2],
                    columns: output.columns,
                    epsilon,
                },
                segments: vec![store(output, work.attended, self.embedding)],
            }),
        )
    }

    /// Dense MLP, router and experts; gives what the next stage is to do with their outputs.
    fn experts(&self, planner: &mut Planner, layer: usize) -> Result<Ending, EngineError> {
        let (shape, work, buffers, name) = (self.shape, self.work, self.buffers, self.name);
        let (experts, used) = (shape.experts as u32, shape.experts_used as u32);
        let (width, dense_width) = (shape.expert_width as u32, shape.dense_width as u32);
        let dense = Product::Gelu {
            gate: planner.matrix(&name("ffn_gate.weight"))?,
            up: planner.matrix(&name("ffn_up.weight"))?,
        };
        let segments = vec![
            // The router has a norm of its own.
            Segment {
                product: Product::Store(planner.matrix(&name("ffn_gate_inp.weight"))?),
                out: buffers.router,
                rows: experts,
                vector: 1,
            },
            Segment {
                product: dense,
                out: work.dense_hidden,
                rows: dense_width,
                vector: 0,
            },
        ];
        let root = (shape.embedding as f32).sqrt();
        let weights = [
            planner.vector(&name("ffn_norm.weight"))?,
            planner.vector_divided(&name("ffn_gate_inp.scale"), root)?,
        ];
        let kind = NormKind::AddNorm {
            a: work.attended,
            weight: planner.vector(&name("post_attention_norm.weight"))?,
            residual: work.h,
        };
        planner.push(
            "router, dense MLP",
            Stage::Project(Project {
                norms: Norms {
                    x: buffers.x,
                    kind,
                    weights,
                    columns: self.embedding,
                    epsilon: shape.rms_epsilon,
                },
                segments,
            }),
        )?;
        let routed = Routed {
            layer,
            x: work.h,
            columns: self.embedding,
            weight: planner.vector(&name("pre_ffw_norm_2.weight"))?,
            epsilon: shape.rms_epsilon,
            expert_scale: planner.vector(&name("ffn_down_exps.scale"))?,
            experts,
            used,
            width,
            activation: Activation::Gelu,
        };
        experts_up(planner, buffers, routed, name)?;
        let down = ExpertsDown {
            down: planner.matrix(&name("ffn_down_exps.weight"))?,
            shared: planner.matrix(&name("ffn_down.weight"))?,
            chosen: buffers.chosen,
            weight: buffers.weight,
            hidden: buffers.hidden,
            shared_hidden: work.dense_hidden,
            shared_gate: Address::NULL,
            out: work.sparse,
            shared_out: work.dense,
            experts,
            used,
            width,
            rows: self.embedding,
            shared_width: dense_width,
            add: false,
        };
        planner.push("experts down", Stage::ExpertsDown(down))?;
        let scale = planner.values(&name("layer_output_scale.weight"))?;
        Ok(Ending {
            x: work.h,
            kind: NormKind::GemmaNext {
                dense: work.dense,
                experts: work.sparse,
                weights: [
                    planner.vector(&name("post_ffw_norm_1.weight"))?,
                    planner.vector(&name("post_ffw_norm_2.weight"))?,
                    planner.vector(&name("post_ffw_norm.weight"))?,
                ],
                residual: buffers.x,
                scale: scale.first().copied().unwrap_or(1.0),
            },
        })
    }
}
