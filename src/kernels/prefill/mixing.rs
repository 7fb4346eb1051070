//! What mixes the positions of a batch: Gated DeltaNet and softmax attention.

use crate::device::cuda::Parameters;
use crate::kernels::decode::{Address, Attention, Delta};

use super::product::{Batch, Rows};

/// `prefill_convolve`: the convolution, unit queries and keys, and gates of all tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Convolve {
    /// Decode's step: its weights, window and sizes.
    pub step: Delta,
    /// Queries, keys and values before the convolution.
    pub projected: Rows,
    /// f32 \[tokens\]\[value_heads\]
    pub alpha: Address,
    /// f32 \[tokens\]\[value_heads\]
    pub beta: Address,
    /// f32 \[tokens\]\[channels\]
    pub active: Address,
    /// f32 pairs \[tokens\]\[value_heads\]
    pub gates: Address,
    /// f32 \[tokens\]\[key_heads\]
    pub products: Address,
}

/// `prefill_delta_<key_dim>`: the delta rule from token to token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scan {
    /// What all tokens need, and the state.
    pub inputs: Convolve,
    /// What every head gives.
    pub out: Rows,
}

/// `prefill_heads_<head_dim>`: queries, keys and values behind norm and rotation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heads {
    /// Decode's attention: its weights, caches and sizes.
    pub step: Attention,
    /// As decode's `query`.
    pub query: Rows,
    /// As decode's `key`.
    pub key: Rows,
    /// As decode's `value`.
    pub value: Rows,
    /// f16 \[tokens\]\[heads\]\[2\]\[head_dim\]
    pub queries: Address,
    /// f16 \[kv_heads\]\[batch\]\[head_dim\]
    pub keys: Address,
    /// As `keys`.
    pub values: Address,
    /// Most tokens of a batch.
    pub batch: u32,
}

/// `prefill_attention_<head_dim>`: the queries of a batch over all positions that they see.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PromptAttention {
    /// Queries, keys and values.
    pub heads: Heads,
    /// Head h's gate, before its sigmoid, at h · `gate_stride`; null for none.
    pub gate: Rows,
    /// Elements from a head's gate to the next one's.
    pub gate_stride: u32,
    /// \[heads\]\[head_dim\]
    pub out: Rows,
}

/// `prefill_append`: the batch's keys and values go to the caches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Append {
    /// Queries, keys and values.
    pub heads: Heads,
}

/// Columns of a block of attention, as in `attention.cu`.
const COLUMNS: u32 = 16;

fn pointers(addresses: &[Address]) -> Parameters {
    addresses
        .iter()
        .fold(Parameters::new(), |all, address| all.pointer(address.0))
}

impl Convolve {
    pub(super) fn parameters(&self, batch: Batch) -> Parameters {
        let step = &self.step;
        pointers(&[
            self.projected.at,
            self.alpha,
            self.beta,
            step.conv,
            step.decay,
            step.step_bias,
            step.window,
            self.active,
            self.gates,
            self.products,
        ])
        .u32(batch.position)
        .u32(self.projected.stride)
        .u32(step.key_heads)
        .u32(step.value_heads)
        .u32(step.key_dim)
        .u32(step.value_dim)
        .u32(step.taps)
        .f32(step.epsilon)
    }
}

impl Scan {
    /// Rows of a head's state that a block takes, and tokens in each of its two chunks, as in `delta.cu`.
    pub(super) const ROWS: u32 = 32;
    const CHUNK: u32 = 8;

    pub(super) fn shared_bytes(&self) -> u32 {
        2 * Self::CHUNK * (2 * self.inputs.step.key_dim * 4 + Self::ROWS * 4 + 16)
    }

    pub(super) fn parameters(&self, batch: Batch) -> Parameters {
        let (inputs, step) = (&self.inputs, &self.inputs.step);
        pointers(&[
            inputs.projected.at,
            inputs.active,
            inputs.gates,
            inputs.products,
            step.window,
            step.state,
            self.out.at,
        ])
        .u32(batch.position)
        .u32(batch.tokens)
        .u32(inputs.projected.stride)
        .u32(self.out.stride)
        .u32(step.key_heads)
        .u32(step.value_heads)
        .u32(step.value_dim)
        .u32(step.taps)
    }
}

impl Heads {
    /// Warps of a block.
    pub(super) const WARPS: u32 = 8;

    pub(super) fn shared_bytes(&self) -> u32 {
        self.step.head_dim * (4 + 4 * Self::WARPS)
    }

    pub(super) fn parameters(&self, batch: Batch) -> Parameters {
        let step = &self.step;
        pointers(&[
            self.query.at,
            self.key.at,
            self.value.at,
            step.query_norm,
            step.key_norm,
            step.frequency,
            self.queries,
            self.keys,
            self.values,
        ])
        .u32(self.query.stride)
        .u32(self.key.stride)
        .u32(self.value.stride)
        .u32(step.query_stride)
        .u32(step.heads)
        .u32(step.kv_heads)
        .u32(step.rotary)
        .u32(step.value_norm.into())
        .u32(batch.position)
        .u32(self.batch)
        .f32(step.epsilon)
        .u32(0)
    }
}

impl PromptAttention {
    /// Query heads of a KV head that a block serves: the most that its columns have room for, all blocks alike.
    fn at_once(&self) -> u32 {
        let step = &self.heads.step;
        let shared = (step.heads / step.kv_heads.max(1)).max(1);
        let mut most = (1..=COLUMNS.min(shared)).rev();
        most.find(|most| shared.is_multiple_of(*most)).unwrap_or(1)
    }

    pub(super) fn grid(&self, tokens: u32) -> (u32, u32) {
        let at_once = self.at_once();
        (
            tokens.div_ceil(COLUMNS / at_once),
            self.heads.step.heads / at_once,
        )
    }

    /// As `Shape` in `attention.cu` has it.
    pub(super) fn shared_bytes_of(head_dim: u32) -> u32 {
        let slices = head_dim / 64;
        let positions = Attention::threads_of(head_dim) / 2 / slices;
        4 * positions * head_dim * 2 + slices * COLUMNS * (positions + 4) * 4
    }

    pub(super) fn parameters(&self, batch: Batch) -> Parameters {
        let (heads, step) = (&self.heads, &self.heads.step);
        pointers(&[
            heads.queries,
            heads.keys,
            heads.values,
            step.keys,
            step.values,
            self.gate.at,
            self.out.at,
        ])
        .u32(self.gate.stride)
        .u32(self.gate_stride)
        .u32(self.out.stride)
        .u32(batch.position)
        .u32(batch.tokens)
        .u32(step.heads)
        .u32(step.kv_heads)
        .u32(self.at_once())
        .u32(heads.batch)
        .u32(step.capacity)
        .u32(step.window)
        .f32(step.scale)
    }
}

impl Append {
    pub(super) fn parameters(&self, batch: Batch) -> Parameters {
        let (heads, step) = (&self.heads, &self.heads.step);
        pointers(&[heads.keys, heads.values, step.keys, step.values])
            .u32(batch.position)
            .u32(batch.tokens)
            .u32(heads.batch)
            .u32(step.capacity)
            .u32(step.head_dim / 8)
            .u32(0)
    }
}
