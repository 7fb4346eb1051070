//! What mixes positions: softmax attention over cached keys and values, and Gated DeltaNet's recurrent step.

use crate::{device::cuda::Parameters, kernels::tuning};

use super::matrix::Address;

/// `attention_<head_dim>x<heads at once>`: a token's queries over the positions that it sees, in splits. Appends the
/// token's key and value to the caches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attention {
    /// The engine's token record.
    pub token: Address,
    /// Head h at h · `query_stride`, f32, before norm and rotation.
    pub query: Address,
    /// f32 \[kv_heads\]\[head_dim\], before norm and rotation.
    pub key: Address,
    /// f32 \[kv_heads\]\[head_dim\]
    pub value: Address,
    /// f32 \[head_dim\]
    pub query_norm: Address,
    /// f32 \[head_dim\]
    pub key_norm: Address,
    /// Radians that pair i (elements i and i + rotary / 2) turns per position, f64 \[rotary / 2\].
    pub frequency: Address,
    /// f16 \[kv_heads\]\[capacity\]\[head_dim\]; position p at p modulo `capacity`.
    pub keys: Address,
    /// As `keys`.
    pub values: Address,
    /// f32 \[heads\]\[splits\]\[head_dim + 2\]
    pub partial: Address,
    /// f32 \[heads\]\[head_dim\]
    pub out: Address,
    /// A counter for each group of heads, u32, 0 between launches.
    pub arrivals: Address,
    /// Head h's gate, before its sigmoid, at h · `gate_stride`; null for none.
    pub gate: Address,
    /// Elements from a head's gate to the next one's.
    pub gate_stride: u32,
    /// Elements from a head's query to the next one's.
    pub query_stride: u32,
    /// Query heads.
    pub heads: u32,
    /// Key and value heads.
    pub kv_heads: u32,
    /// Elements of a head.
    pub head_dim: u32,
    /// Leading elements of a head that are rotated.
    pub rotary: u32,
    /// Positions seen, the token's own included; 0 for all.
    pub window: u32,
    /// Positions that the caches hold.
    pub capacity: u32,
    /// Most parts that the positions are cut into.
    pub splits: u32,
    /// The same while the context is short, see [`Stage::in_context`](super::Stage::in_context).
    pub short_splits: u32,
    /// Whether attention itself makes `out` of its splits, of which there are at most [`MOST_JOINED`](Self::MOST_JOINED)
    /// then; otherwise a [`Combine`] does.
    pub joins: bool,
    /// Whether each head's value is divided by the root of its mean square.
    pub value_norm: bool,
    /// Factor of every score.
    pub scale: f32,
    /// Added to the mean square in every norm.
    pub epsilon: f32,
}

/// `attention_combine`: the splits' results as one, gated where there is a gate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Combine {
    /// The engine's token record.
    pub token: Address,
    /// f32 \[heads\]\[splits\]\[head_dim + 2\]
    pub partial: Address,
    /// Head h's gate, before its sigmoid, at h · `gate_stride`; null for none.
    pub gate: Address,
    /// f32 \[heads\]\[head_dim\]
    pub out: Address,
    /// Elements from a head's gate to the next one's.
    pub gate_stride: u32,
    /// Query heads.
    pub heads: u32,
    /// Elements of a head.
    pub head_dim: u32,
    /// Most parts that the positions are cut into.
    pub splits: u32,
    /// Positions seen; 0 for all.
    pub window: u32,
}

/// `delta_step_<key_dim>`: the causal convolution and the gated delta rule of one token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Delta {
    /// The engine's token record.
    pub token: Address,
    /// f32 \[queries, keys, values\], before the convolution.
    pub projected: Address,
    /// f32 \[value_heads\]
    pub alpha: Address,
    /// f32 \[value_heads\]
    pub beta: Address,
    /// f32 \[channels\]\[taps\], the last tap that of the token itself.
    pub conv: Address,
    /// f32 \[value_heads\], below 0.
    pub decay: Address,
    /// f32 \[value_heads\]
    pub step_bias: Address,
    /// f32 \[taps\]\[channels\]: `projected` of position p at p modulo `taps`.
    pub window: Address,
    /// f32 \[value_heads\]\[value_dim\]\[key_dim\]
    pub state: Address,
    /// f32 \[value_heads\]\[value_dim\]
    pub out: Address,
    /// Query and key heads.
    pub key_heads: u32,
    /// Value heads; number j uses key head j modulo `key_heads`.
    pub value_heads: u32,
    /// Elements of a query or key head.
    pub key_dim: u32,
    /// Elements of a value head.
    pub value_dim: u32,
    /// Taps of the convolution.
    pub taps: u32,
    /// Added to the squares' sum in the norms of queries and keys.
    pub epsilon: f32,
}

/// Warps of a block of attention.
fn warps_of(head_dim: u32) -> u32 {
    if head_dim == 64 { 4 } else { 8 }
}

/// The most heads at once that divide those which share a KV head.
fn at_once(heads: u32, kv_heads: u32) -> u32 {
    let shared = heads / kv_heads.max(1);
    let mut most = Attention::HEADS_AT_ONCE.into_iter().rev();
    most.find(|most| shared.is_multiple_of(*most)).unwrap_or(1)
}

fn pointers(addresses: &[Address]) -> Parameters {
    addresses
        .iter()
        .fold(Parameters::new(), |all, address| all.pointer(address.0))
}

impl Attention {
    /// Head dimensions that there are kernels for.
    pub const HEAD_DIMS: [u32; 4] = [64, 128, 256, 512];
    /// Most splits that attention joins by itself: as many as a warp has lanes.
    pub const MOST_JOINED: u32 = 32;
    /// Query heads of one KV head that a block may serve at once.
    pub(super) const HEADS_AT_ONCE: [u32; 4] = [1, 2, 4, 8];

    /// Query heads that a block serves: as many as share a KV head, up to 8.
    pub fn heads_at_once(&self) -> u32 {
        at_once(self.heads, self.kv_heads)
    }

    /// Parts that `blocks` blocks are filled with at full context, where `heads` query heads share `kv_heads`.
    pub fn splits(heads: u32, kv_heads: u32, capacity: u32, blocks: u32) -> u32 {
        (blocks / (heads / at_once(heads, kv_heads)).max(1))
            .clamp(1, capacity.div_ceil(tuning::ATTENTION_POSITIONS).max(1))
    }

    /// The same for a context of `tokens` tokens, and what joins its splits if it does not.
    ///
    /// A short context has no more blocks than run beside the stage in front, so that the stage behind may begin in time.
    pub(super) fn in_context(&self, tokens: usize) -> (Self, Option<Combine>) {
        let with = |splits, joins| Self {
            splits,
            joins,
            ..*self
        };
        if self.joins {
            return (*self, None);
        }
        if tokens <= tuning::JOINED_CONTEXT {
            return (with(self.short_splits.min(Self::MOST_JOINED), true), None);
        }
        let attention = match tokens <= tuning::SHORT_CONTEXT {
            true => with(self.short_splits, false),
            false => *self,
        };
        (attention, Some(attention.combine()))
    }

    fn combine(&self) -> Combine {
        Combine {
            token: self.token,
            partial: self.partial,
            gate: self.gate,
            out: self.out,
            gate_stride: self.gate_stride,
            heads: self.heads,
            head_dim: self.head_dim,
            splits: self.splits,
            window: self.window,
        }
    }

    /// Bytes of `partial`: outputs, and two numbers for each split of each head.
    pub fn partial_bytes(heads: u32, splits: u32, head_dim: u32) -> u64 {
        u64::from(heads) * u64::from(splits) * (u64::from(head_dim) + 2) * 4
    }

    pub(in crate::kernels) fn threads_of(head_dim: u32) -> u32 {
        32 * warps_of(head_dim)
    }

    /// Dynamic shared memory of a block: a ring of five units of keys or values, scores, the token's own rows, the turns
    /// of its rotation. As `Shape` in `attention.cu` has it.
    pub(super) fn shared_bytes_of(head_dim: u32) -> u32 {
        let slices = head_dim / 64;
        let positions = 16 * warps_of(head_dim) / slices;
        let ring = 5 * positions * head_dim * 2;
        let scores = slices * 8 * (positions + 4) * 4;
        ring + scores + 2 * head_dim * 2 + head_dim / 2 * 8
    }

    pub(super) fn parameters(&self) -> Parameters {
        pointers(&[
            self.token,
            self.query,
            self.key,
            self.value,
            self.query_norm,
            self.key_norm,
            self.frequency,
            self.keys,
            self.values,
            self.partial,
            if self.joins { self.out } else { Address::NULL },
            self.arrivals,
            self.gate,
        ])
        .u32(self.query_stride)
        .u32(self.heads)
        .u32(self.kv_heads)
        .u32(self.rotary)
        .u32(self.window)
        .u32(self.capacity)
        .u32(self.splits)
        .u32(self.value_norm.into())
        .f32(self.scale)
        .f32(self.epsilon)
        .u32(self.gate_stride)
        .u32(0)
    }
}

impl Combine {
    pub(super) fn parameters(&self) -> Parameters {
        pointers(&[self.token, self.partial, self.gate, self.out])
            .u32(self.gate_stride)
            .u32(self.heads)
            .u32(self.head_dim)
            .u32(self.splits)
            .u32(self.window)
            .u32(0)
    }
}

impl Delta {
    /// Key dimensions that there are kernels for.
    pub const KEY_DIMS: [u32; 4] = [32, 64, 128, 256];
    /// Most taps of the convolution.
    pub const TAPS_MAX: u32 = 4;

    pub(super) fn parameters(&self) -> Parameters {
        pointers(&[
            self.token,
            self.projected,
            self.alpha,
            self.beta,
            self.conv,
            self.decay,
            self.step_bias,
            self.window,
            self.state,
            self.out,
        ])
        .u32(self.key_heads)
        .u32(self.value_heads)
        .u32(self.key_dim)
        .u32(self.value_dim)
        .u32(self.taps)
        .f32(self.epsilon)
    }
}
