//! The loaded image of family `prefill`, and the shape of each launch.

use std::collections::BTreeMap;

use crate::{
    device::cuda::{Cuda, CudaError, Function, Launch, Parameters, Stream},
    kernels::{
        decode::{Attention, Delta},
        load::{KernelError, Loaded},
    },
    quant::TensorType,
    result::ImageRecord,
};

use super::mixing::{Heads, PromptAttention, Scan};
use super::product::Batch;
use super::work::Work;

/// What every device has for a block.
const SHARED_BYTES_MAX: u32 = 99 * 1024;
/// Threads of a block of a quantised product, and the rows that it takes.
const PRODUCT: (u32, u32) = (128, 128);
/// Threads of a block of a plain product, and the rows that it takes.
const PLAIN: (u32, u32) = (256, 64);
/// Threads of blocks without another reason.
const THREADS: u32 = 256;
/// Threads of `prefill_append`.
const APPEND_THREADS: u32 = 128;
/// Bytes of a row's step for each type, as in `steps.cuh`.
const TYPES: [(TensorType, &str, u32); 6] = [
    (TensorType::Q4_K, "q4_k", 80),
    (TensorType::Q5_K, "q5_k", 112),
    (TensorType::Q6_K, "q6_k", 112),
    (TensorType::Q8_0, "q8_0", 144),
    (TensorType::Q5_0, "q5_0", 80),
    (TensorType::Q5_1, "q5_1", 80),
];

/// Shared memory of a block of `prefill_product_*`, as `Layout` in `product.cu` has it.
fn product_bytes(pitch: u32) -> u32 {
    let (groups, rows, tokens) = (4, PRODUCT.1, 64);
    let buffer = rows * pitch + tokens * (groups * 64 + 16) + tokens * (groups * 8 + 16);
    2 * buffer + groups * rows * 8 + 2 * tokens * 4
}

/// Shared memory of a block of `prefill_plain`.
const PLAIN_BYTES: u32 = 2 * 32 * 68 * 4;

/// The loaded image of family `prefill`.
pub struct Prefill {
    record: ImageRecord,
    /// By name.
    functions: BTreeMap<String, Function>,
    _loaded: crate::device::cuda::Image,
}

impl Prefill {
    /// Loads the image.
    ///
    /// # Errors
    ///
    /// [`KernelError`].
    pub fn load(cuda: &Cuda) -> Result<Self, KernelError> {
        let Loaded { image, record } = Loaded::new(cuda, "prefill", "prefill_embed")?;
        let single = [
            "embed", "vectors", "plain", "route", "list", "join", "convolve", "append",
        ];
        let mut names: Vec<String> = single.map(str::to_owned).into();
        names.extend(TYPES.map(|(_, name, _)| format!("product_{name}")));
        names.extend(Delta::KEY_DIMS.map(|dim| format!("delta_{dim}")));
        for dim in Attention::HEAD_DIMS {
            names.push(format!("heads_{dim}"));
            names.push(format!("attention_{dim}"));
        }
        let mut functions = BTreeMap::new();
        for name in names {
            let function = image.function(&format!("prefill_{name}"))?;
            function.prefer_shared_memory()?;
            function.allow_shared_memory(SHARED_BYTES_MAX)?;
            functions.insert(name, function);
        }
        Ok(Self {
            record,
            functions,
            _loaded: image,
        })
    }

    /// What the result states of the image.
    pub fn record(&self) -> &ImageRecord {
        &self.record
    }

    /// Queues `work` for `batch`.
    ///
    /// # Errors
    ///
    /// [`CudaError`]; `NoKernel` for a shape or a type that no kernel was made for.
    pub fn launch(&self, stream: &Stream, work: &Work, batch: Batch) -> Result<(), CudaError> {
        let (name, launch, parameters) = shape(work, batch);
        let function = self.functions.get(&name);
        let function = function.ok_or_else(|| CudaError::NoKernel {
            family: "prefill".into(),
            kernel: format!("prefill_{name}"),
        })?;
        stream.launch_struct(function, launch, &parameters)
    }
}

/// The kernel's name, its launch and its argument.
fn shape(work: &Work, batch: Batch) -> (String, Launch, Parameters) {
    let tokens = batch.tokens;
    let launch = |grid, threads, shared_bytes| Launch {
        grid,
        shared_bytes,
        ..Launch::new(1, threads)
    };
    let single = |name: &str| name.to_owned();
    match work {
        Work::Embed(embed) => (
            single("embed"),
            launch((tokens, 1), THREADS, 0),
            embed.parameters(batch),
        ),
        Work::Vectors(vectors) => (
            single("vectors"),
            launch(
                (1, tokens * vectors.each),
                vectors.threads(),
                vectors.shared_bytes(),
            ),
            vectors.parameters(),
        ),
        Work::Product(product) => {
            let ty = product.matrix.ty;
            let quantised = TYPES.iter().find(|(of, ..)| *of == ty);
            let (name, (threads, rows), bytes) = match quantised {
                Some((_, name, pitch)) => {
                    (format!("product_{name}"), PRODUCT, product_bytes(*pitch))
                }
                None if product.matrix.takes_values() => (single("plain"), PLAIN, PLAIN_BYTES),
                None => (format!("product_{ty}"), PRODUCT, 0),
            };
            (
                name,
                launch(product.grid(rows, tokens), threads, bytes),
                product.parameters(tokens),
            )
        }
        Work::Route(route) => (
            single("route"),
            launch((tokens.div_ceil(THREADS / 32), 1), THREADS, 0),
            route.parameters(tokens),
        ),
        Work::List(list) => (
            single("list"),
            launch((list.experts, 1), THREADS, 0),
            list.parameters(tokens),
        ),
        Work::Join(join) => (
            single("join"),
            launch((join.rows.div_ceil(THREADS), tokens), THREADS, 0),
            join.parameters(),
        ),
        Work::Convolve(convolve) => (
            single("convolve"),
            launch((tokens, 1), THREADS, 0),
            convolve.parameters(batch),
        ),
        Work::Scan(scan) => {
            let step = &scan.inputs.step;
            let grid = (step.value_heads, step.value_dim.div_ceil(Scan::ROWS));
            (
                format!("delta_{}", step.key_dim),
                launch(grid, THREADS, scan.shared_bytes()),
                scan.parameters(batch),
            )
        }
        Work::Heads(heads) => (
            format!("heads_{}", heads.step.head_dim),
            launch((tokens, 1), 32 * Heads::WARPS, heads.shared_bytes()),
            heads.parameters(batch),
        ),
        Work::Attention(attention) => {
            let dim = attention.heads.step.head_dim;
            (
                format!("attention_{dim}"),
                launch(
                    attention.grid(tokens),
                    Attention::threads_of(dim),
                    PromptAttention::shared_bytes_of(dim),
                ),
                attention.parameters(batch),
            )
        }
        Work::Append(append) => (
            single("append"),
            launch((tokens, append.heads.step.kv_heads), APPEND_THREADS, 0),
            append.parameters(batch),
        ),
    }
}
