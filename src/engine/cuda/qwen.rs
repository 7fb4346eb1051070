//! The stages of a layer of `qwen35moe`: gated softmax attention or Gated DeltaNet, then routed experts and a shared one.

use crate::engine::EngineError;
use crate::kernels::decode::{
    Activation, Address, Attention, Delta, ExpertsDown, Matrix, NormKind, Norms, Product, Project,
    Segment, Stage,
};
use crate::model::{LayerKind, Qwen35Moe};

use super::buffers::{Buffers, Ending};
use super::parts::{Name, Routed, check_heads, experts_up, frequencies, stores};
use super::planner::{Planner, narrow, unsupported};

/// Buffers that one layer after another uses.
struct Work {
    /// Of attention the queries and gates, of Gated DeltaNet the channels before the convolution.
    projected: Address,
    key: Address,
    value: Address,
    /// Gated DeltaNet's output gate.
    gate: Address,
    alpha: Address,
    beta: Address,
    /// What the mixer hands to its output projection.
    mixed: Address,
    partial: Address,
    /// Counters of attention that joins its splits.
    arrivals: Address,
    splits: u32,
    short_splits: u32,
    /// Of the shared expert.
    shared_gate: Address,
    shared_hidden: Address,
    /// Radians per position.
    frequency: Address,
}

/// Sizes in the 32 bits that kernels count in.
struct Sizes {
    embedding: u32,
    heads: u32,
    kv_heads: u32,
    head_dim: u32,
    queries: u32,
    keys: u32,
    channels: u32,
    value_width: u32,
    context: u32,
    epsilon: f32,
}

/// Adds the stages of every layer; `context` positions are kept.
pub(super) fn layers(
    planner: &mut Planner,
    shape: &Qwen35Moe,
    buffers: &Buffers,
    context: u32,
) -> Result<Ending, EngineError> {
    check(shape)?;
    let sizes = Sizes {
        embedding: narrow("a residual stream", shape.embedding)?,
        heads: narrow("query heads", shape.query_heads)?,
        kv_heads: narrow("KV heads", shape.kv_heads)?,
        head_dim: narrow("a head", shape.head_dim)?,
        queries: narrow("queries", 2 * shape.query_heads * shape.head_dim)?,
        keys: narrow("keys", shape.kv_heads * shape.head_dim)?,
        channels: narrow("channels", shape.conv_channels())?,
        value_width: narrow("values", shape.value_width())?,
        context,
        epsilon: shape.rms_epsilon,
    };
    let work = work(planner, shape, &sizes);
    for (index, kind) in shape.layers.iter().enumerate() {
        let name = |name: &str| format!("blk.{index}.{name}");
        planner.begin_layer();
        match kind {
            LayerKind::GatedDeltaNet => delta_net(planner, shape, &sizes, buffers, &work, &name)?,
            _ => attention(planner, shape, &sizes, buffers, &work, &name)?,
        }
        experts(planner, shape, &sizes, buffers, &work, index, &name)?;
    }
    Ok(Ending {
        x: buffers.x,
        kind: NormKind::Norm,
    })
}

/// Refuses shapes that there are no kernels for.
fn check(shape: &Qwen35Moe) -> Result<(), EngineError> {
    let has = |kind| shape.layers.contains(&kind);
    if has(LayerKind::FullAttention) {
        check_heads("full attention", shape.head_dim)?;
    }
    if !has(LayerKind::GatedDeltaNet) {
        return Ok(());
    }
    let dims = Delta::KEY_DIMS.map(u64::from);
    if !dims.contains(&shape.state_size) {
        return Err(unsupported(
            "Gated DeltaNet".to_owned(),
            format!("keys of {dims:?} elements"),
            shape.state_size,
        ));
    }
    if shape.conv_kernel > u64::from(Delta::TAPS_MAX) {
        return Err(unsupported(
            "Gated DeltaNet".to_owned(),
            format!("a convolution of at most {} taps", Delta::TAPS_MAX),
            shape.conv_kernel,
        ));
    }
    if !shape.value_dim.is_multiple_of(16) {
        return Err(unsupported(
            "Gated DeltaNet".to_owned(),
            "values of a multiple of 16 elements".to_owned(),
            shape.value_dim,
        ));
    }
    Ok(())
}

fn work(planner: &mut Planner, shape: &Qwen35Moe, sizes: &Sizes) -> Work {
    let splits = planner.splits(sizes.heads, sizes.kv_heads, sizes.context);
    let short_splits = planner.short_splits(sizes.heads, sizes.kv_heads, sizes.context);
    let mixed = sizes.value_width.max(sizes.queries / 2);
    Work {
        projected: planner.take_f32(sizes.channels.max(sizes.queries)),
        key: planner.take_f32(sizes.keys),
        value: planner.take_f32(sizes.keys),
        gate: planner.take_f32(sizes.value_width),
        alpha: planner.take_f32(shape.value_heads as u32),
        beta: planner.take_f32(shape.value_heads as u32),
        mixed: planner.take_f32(mixed),
        partial: planner.take(Attention::partial_bytes(
            sizes.heads,
            splits,
            sizes.head_dim,
        )),
        arrivals: planner.zeros(sizes.heads),
        splits,
        short_splits,
        shared_gate: planner.take_f32(1),
        shared_hidden: planner.take_f32(shape.shared_expert_width as u32),
        frequency: planner.doubles(frequencies(shape.rotary_dim, shape.rope_base)),
    }
}

/// Rows of `segments` times the normalised residual stream.
fn project(
    planner: &mut Planner,
    part: &'static str,
    sizes: &Sizes,
    x: Address,
    weight: Address,
    segments: Vec<Segment>,
) -> Result<(), EngineError> {
    planner.push(
        part,
        Stage::Project(Project {
            norms: Norms {
                x,
                kind: NormKind::Norm,
                weights: [weight, Address::NULL],
                columns: sizes.embedding,
                epsilon: sizes.epsilon,
            },
            segments,
        }),
    )
}

/// The mixer's output projection, which is added to the residual stream.
fn project_back(
    planner: &mut Planner,
    part: &'static str,
    sizes: &Sizes,
    (x, kind): (Address, NormKind),
    matrix: Matrix,
    out: Address,
) -> Result<(), EngineError> {
    planner.push(
        part,
        Stage::Project(Project {
            norms: Norms {
                x,
                kind,
                weights: [Address::NULL; 2],
                columns: matrix.columns,
                epsilon: sizes.epsilon,
            },
            segments: vec![Segment {
                product: Product::Add(matrix),
                out,
                rows: sizes.embedding,
                vector: 0,
            }],
        }),
    )
}

fn delta_net(
    planner: &mut Planner,
    shape: &Qwen35Moe,
    sizes: &Sizes,
    buffers: &Buffers,
    work: &Work,
    name: Name,
) -> Result<(), EngineError> {
    let norm = planner.vector(&name("attn_norm.weight"))?;
    let value_heads = shape.value_heads as u32;
    let products = [
        ("attn_qkv.weight", work.projected, sizes.channels),
        ("attn_gate.weight", work.gate, sizes.value_width),
        ("ssm_alpha.weight", work.alpha, value_heads),
        ("ssm_beta.weight", work.beta, value_heads),
    ];
    let segments = stores(planner, name, products)?;
    project(planner, "delta input", sizes, buffers.x, norm, segments)?;
    let window = planner.take(shape.conv_kernel * shape.conv_channels() * 4);
    let state = planner.take(shape.value_heads * shape.value_dim * shape.state_size * 4);
    let delta = Delta {
        token: buffers.token,
        projected: work.projected,
        alpha: work.alpha,
        beta: work.beta,
        conv: planner.vector(&name("ssm_conv1d.weight"))?,
        decay: planner.vector(&name("ssm_a"))?,
        step_bias: planner.vector(&name("ssm_dt.bias"))?,
        window,
        state,
        out: work.mixed,
        key_heads: shape.key_heads as u32,
        value_heads,
        key_dim: shape.state_size as u32,
        value_dim: shape.value_dim as u32,
        taps: shape.conv_kernel as u32,
        epsilon: sizes.epsilon,
    };
    planner.push("delta step", Stage::Delta(delta))?;
    let gated = NormKind::HeadsGated {
        gate: work.gate,
        weight: planner.vector(&name("ssm_norm.weight"))?,
        head: shape.value_dim as u32,
    };
    let output = planner.matrix(&name("ssm_out.weight"))?;
    project_back(
        planner,
        "delta output",
        sizes,
        (work.mixed, gated),
        output,
        buffers.x,
    )
}

fn attention(
    planner: &mut Planner,
    shape: &Qwen35Moe,
    sizes: &Sizes,
    buffers: &Buffers,
    work: &Work,
    name: Name,
) -> Result<(), EngineError> {
    let norm = planner.vector(&name("attn_norm.weight"))?;
    let products = [
        ("attn_q.weight", work.projected, sizes.queries),
        ("attn_k.weight", work.key, sizes.keys),
        ("attn_v.weight", work.value, sizes.keys),
    ];
    let segments = stores(planner, name, products)?;
    project(planner, "attention input", sizes, buffers.x, norm, segments)?;
    let cache = u64::from(sizes.context) * u64::from(sizes.keys) * 2;
    let (keys, values) = (planner.take(cache), planner.take(cache));
    let attention = Attention {
        token: buffers.token,
        query: work.projected,
        key: work.key,
        value: work.value,
        query_norm: planner.vector(&name("attn_q_norm.weight"))?,
        key_norm: planner.vector(&name("attn_k_norm.weight"))?,
        frequency: work.frequency,
        keys,
        values,
        partial: work.partial,
        out: work.mixed,
        arrivals: work.arrivals,
        gate: work.projected.offset(u64::from(sizes.head_dim) * 4),
        gate_stride: 2 * sizes.head_dim,
        // Of each head the query and behind it the gate.
        query_stride: 2 * sizes.head_dim,
        heads: sizes.heads,
        kv_heads: sizes.kv_heads,
        head_dim: sizes.head_dim,
        rotary: shape.rotary_dim as u32,
        window: 0,
        capacity: sizes.context,
        splits: work.splits,
        short_splits: work.short_splits,
        joins: false,
        value_norm: false,
        scale: 1.0 / (shape.head_dim as f32).sqrt(),
        epsilon: sizes.epsilon,
    };
    planner.push("attention", Stage::Attention(attention))?;
    let output = planner.matrix(&name("attn_output.weight"))?;
    project_back(
        planner,
        "attention output",
        sizes,
        (work.mixed, NormKind::Plain),
        output,
        buffers.x,
    )
}

/// Router and shared expert, then the routed experts.
fn experts(
    planner: &mut Planner,
    shape: &Qwen35Moe,
    sizes: &Sizes,
    buffers: &Buffers,
    work: &Work,
    layer: usize,
    name: Name,
) -> Result<(), EngineError> {
    let norm = planner.vector(&name("post_attention_norm.weight"))?;
    let (experts, used) = (shape.experts as u32, shape.experts_used as u32);
    let (width, shared_width) = (shape.expert_width as u32, shape.shared_expert_width as u32);
    let shared = Product::Silu {
        gate: planner.matrix(&name("ffn_gate_shexp.weight"))?,
        up: planner.matrix(&name("ffn_up_shexp.weight"))?,
    };
    let products = [
        ("ffn_gate_inp.weight", buffers.router, experts),
        ("ffn_gate_inp_shexp.weight", work.shared_gate, 1),
    ];
    let mut segments = stores(planner, name, products)?;
    segments.push(Segment {
        product: shared,
        out: work.shared_hidden,
        rows: shared_width,
        vector: 0,
    });
    project(
        planner,
        "router, shared expert",
        sizes,
        buffers.x,
        norm,
        segments,
    )?;
    let routed = Routed {
        layer,
        x: buffers.x,
        columns: sizes.embedding,
        weight: norm,
        epsilon: sizes.epsilon,
        expert_scale: Address::NULL,
        experts,
        used,
        width,
        activation: Activation::Silu,
    };
    experts_up(planner, buffers, routed, name)?;
    let down = ExpertsDown {
        down: planner.matrix(&name("ffn_down_exps.weight"))?,
        shared: planner.matrix(&name("ffn_down_shexp.weight"))?,
        chosen: buffers.chosen,
        weight: buffers.weight,
        hidden: buffers.hidden,
        shared_hidden: work.shared_hidden,
        shared_gate: work.shared_gate,
        out: buffers.x,
        shared_out: Address::NULL,
        experts,
        used,
        width,
        rows: sizes.embedding,
        shared_width,
        add: true,
    };
    planner.push("experts down", Stage::ExpertsDown(down))
}
