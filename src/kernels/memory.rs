//! Launchers of the memory family, `kernels/memory/`.

use super::{
    load::{KernelError, Loaded},
    tuning,
};
use crate::{
    device::cuda::{Cuda, CudaError, Function, Launch, Span, Stream},
    result::ImageRecord,
};

/// Shape of the KV cache of one layer, f16: keys and values are `[tokens][kv_heads][head_dim]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KvShape {
    /// Tokens in the cache.
    pub tokens: u32,
    /// Key and value heads.
    pub kv_heads: u32,
    /// Elements of one head; a power of two of at least 8.
    pub head_dim: u32,
}

/// Expert weights of one layer: up to three tensors `[experts][bytes per expert]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpertTensors {
    /// The tensors.
    pub spans: [Span; 3],
    /// Bytes of one expert in each; 0 for a tensor that is not there.
    pub bytes_per_expert: [u64; 3],
}

/// The loaded image of family `memory`.
pub struct Memory {
    record: ImageRecord,
    sm_count: u32,
    kv_read: Function,
    expert_fetch: Function,
    _loaded: crate::device::cuda::Image,
}

impl Memory {
    /// Loads the image.
    ///
    /// # Errors
    ///
    /// [`KernelError`].
    pub fn load(cuda: &Cuda) -> Result<Self, KernelError> {
        let Loaded { image, record } = Loaded::new(cuda, "memory", "kv_read")?;
        Ok(Self {
            record,
            sm_count: cuda.facts().sm_count,
            kv_read: image.function("kv_read")?,
            expert_fetch: image.function("expert_fetch")?,
            _loaded: image,
        })
    }

    /// What the result states of the image.
    pub fn record(&self) -> &ImageRecord {
        &self.record
    }

    fn kv_splits(&self, shape: KvShape) -> u32 {
        (self.sm_count * tuning::FETCH_BLOCKS_PER_SM / shape.kv_heads).clamp(1, shape.tokens.max(1))
    }

    /// Sums that [`kv_read`](Self::kv_read) writes, one u64 each.
    pub fn kv_sums(&self, shape: KvShape) -> u32 {
        self.kv_splits(shape) * shape.kv_heads
    }

    /// Reads keys and values as split-KV decode attention does.
    ///
    /// # Errors
    ///
    /// [`CudaError`].
    pub fn kv_read(
        &self,
        stream: &Stream,
        shape: KvShape,
        keys: Span,
        values: Span,
        out: Span,
    ) -> Result<(), CudaError> {
        let row_shift = (shape.head_dim * 2 / 16).trailing_zeros();
        let launch = Launch {
            grid: (self.kv_splits(shape), shape.kv_heads),
            ..Launch::new(1, tuning::FETCH_THREADS)
        };
        let args = [
            keys.into(),
            values.into(),
            shape.tokens.into(),
            shape.kv_heads.into(),
            row_shift.into(),
            out.into(),
        ];
        stream.launch(&self.kv_read, launch, &args)
    }

    /// Sums that [`expert_fetch`](Self::expert_fetch) writes, one u64 each.
    pub fn expert_sums(&self) -> u32 {
        self.sm_count * tuning::FETCH_BLOCKS_PER_SM
    }

    /// Reads the weights of the `used` experts whose ids (u32) lie at `ids`.
    ///
    /// # Errors
    ///
    /// [`CudaError`].
    pub fn expert_fetch(
        &self,
        stream: &Stream,
        tensors: &ExpertTensors,
        ids: Span,
        used: u32,
        out: Span,
    ) -> Result<(), CudaError> {
        let [s0, s1, s2] = tensors.spans;
        let [u0, u1, u2] = tensors.bytes_per_expert.map(|bytes| (bytes / 16) as u32);
        let args = [
            s0.into(),
            s1.into(),
            s2.into(),
            u0.into(),
            u1.into(),
            u2.into(),
            ids.into(),
            used.into(),
            out.into(),
        ];
        stream.launch(
            &self.expert_fetch,
            Launch::new(self.expert_sums(), tuning::FETCH_THREADS),
            &args,
        )
    }
}
