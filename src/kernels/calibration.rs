//! Launchers of the harness's ruler, `kernels/calibration/`.

use super::{
    load::{KernelError, Loaded},
    tuning,
};
use crate::{
    device::cuda::{Arg, Cuda, CudaError, Function, HostFlag, Launch, Span, Stream},
    result::ImageRecord,
};

mod kinds;

pub use kinds::{ChaseLevel, Cycle, Edge, Precision};

/// The loaded image of family `calibration`.
pub struct Calibration {
    record: ImageRecord,
    sm_count: u32,
    bulk_slots: u32,
    fill_words: Function,
    count_mismatches: Function,
    hold_queue: Function,
    read_loads: Function,
    read_bulk: Function,
    write_words: Function,
    copy_words: Function,
    read_resident: Function,
    link_nodes: Function,
    chase_l1: Function,
    chase_l2: Function,
    edge_launch: Function,
    edge_dependent_launch: Function,
    edge_barrier: Function,
    edge_grid_sync: Function,
    tensor_fp16: Function,
    tensor_int8: Function,
    // Last: functions must not outlive it.
    _loaded: crate::device::cuda::Image,
}

impl Calibration {
    /// Loads the image.
    ///
    /// # Errors
    ///
    /// [`KernelError`].
    pub fn load(cuda: &Cuda) -> Result<Self, KernelError> {
        let Loaded { image, record } = Loaded::new(cuda, "calibration", "fill_words")?;
        let facts = cuda.facts();
        let room = facts
            .shared_memory_per_block_bytes
            .saturating_sub(tuning::BULK_STATIC_BYTES);
        let bulk_slots = (room / tuning::BULK_CHUNK_BYTES).min(tuning::BULK_SLOTS);
        let read_bulk = image.function("read_bulk")?;
        read_bulk.allow_shared_memory(bulk_slots * tuning::BULK_CHUNK_BYTES)?;
        Ok(Self {
            record,
            sm_count: facts.sm_count,
            bulk_slots,
            fill_words: image.function("fill_words")?,
            count_mismatches: image.function("count_mismatches")?,
            hold_queue: image.function("hold_queue")?,
            read_loads: image.function("read_loads")?,
            read_bulk,
            write_words: image.function("write_words")?,
            copy_words: image.function("copy_words")?,
            read_resident: image.function("read_resident")?,
            link_nodes: image.function("link_nodes")?,
            chase_l1: image.function("chase_l1")?,
            chase_l2: image.function("chase_l2")?,
            edge_launch: image.function("edge_launch")?,
            edge_dependent_launch: image.function("edge_dependent_launch")?,
            edge_barrier: image.function("edge_barrier")?,
            edge_grid_sync: image.function("edge_grid_sync")?,
            tensor_fp16: image.function("tensor_fp16")?,
            tensor_int8: image.function("tensor_int8")?,
            _loaded: image,
        })
    }

    /// What the result states of the image.
    pub fn record(&self) -> &ImageRecord {
        &self.record
    }

    /// Blocks of a reading kernel, each of which writes one sum.
    pub fn read_blocks(&self) -> u32 {
        self.sm_count
    }

    /// Words of each of the two buffers of an edge.
    pub fn edge_words(&self) -> u64 {
        u64::from(self.sm_count) * u64::from(tuning::EDGE_THREADS)
    }

    /// Threads of a tensor-core launch; it writes four words for each.
    pub fn tensor_threads(&self) -> u64 {
        u64::from(self.sm_count) * u64::from(tuning::TENSOR_THREADS)
    }

    fn store_shape(&self) -> Launch {
        Launch::new(
            self.sm_count * tuning::STORE_BLOCKS_PER_SM,
            tuning::STORE_THREADS,
        )
    }

    /// Fills the span with the generator's words of `seed`.
    ///
    /// # Errors
    ///
    /// [`CudaError`]; so for every launcher here.
    pub fn fill_words(&self, stream: &Stream, span: Span, seed: u64) -> Result<(), CudaError> {
        let args = [span.into(), (span.bytes() / 8).into(), seed.into()];
        stream.launch(&self.fill_words, self.store_shape(), &args)
    }

    /// Adds to the u64 at `counter` the words of `span` that are not the generator's.
    ///
    /// # Errors
    ///
    /// [`CudaError`].
    pub fn count_ungenerated(
        &self,
        stream: &Stream,
        span: Span,
        seed: u64,
        counter: Span,
    ) -> Result<(), CudaError> {
        self.count_mismatches(stream, span, seed, 0, counter)
    }

    /// Adds to the u64 at `counter` the words of `span` that were not written with `salt`.
    ///
    /// # Errors
    ///
    /// [`CudaError`].
    pub fn count_unwritten(
        &self,
        stream: &Stream,
        span: Span,
        salt: u64,
        counter: Span,
    ) -> Result<(), CudaError> {
        self.count_mismatches(stream, span, salt, 1, counter)
    }

    fn count_mismatches(
        &self,
        stream: &Stream,
        span: Span,
        key: u64,
        written: u32,
        counter: Span,
    ) -> Result<(), CudaError> {
        let args = [
            span.into(),
            (span.bytes() / 8).into(),
            key.into(),
            written.into(),
            counter.into(),
        ];
        stream.launch(&self.count_mismatches, self.store_shape(), &args)
    }

    /// Holds the stream until `open` is raised, at most `limit_ns`; then raises `gave_up`.
    ///
    /// # Errors
    ///
    /// [`CudaError`].
    pub fn hold_queue(
        &self,
        stream: &Stream,
        open: &HostFlag,
        gave_up: &HostFlag,
        limit_ns: u64,
    ) -> Result<(), CudaError> {
        let args = [
            Arg::Pointer(open.address()),
            limit_ns.into(),
            Arg::Pointer(gave_up.address()),
        ];
        stream.launch(&self.hold_queue, Launch::new(1, 1), &args)
    }

    /// Reads `span` by 16-byte loads; one u64 sum per block to `out`.
    ///
    /// # Errors
    ///
    /// [`CudaError`].
    pub fn read_loads(&self, stream: &Stream, span: Span, out: Span) -> Result<(), CudaError> {
        let args = [span.into(), (span.bytes() / 16).into(), out.into()];
        stream.launch(
            &self.read_loads,
            Launch::new(self.read_blocks(), tuning::READ_THREADS),
            &args,
        )
    }

    /// Reads `span` (a multiple of 16 KiB) by bulk copies into shared memory; one u64 sum per block to `out`.
    ///
    /// # Errors
    ///
    /// [`CudaError`].
    pub fn read_bulk(&self, stream: &Stream, span: Span, out: Span) -> Result<(), CudaError> {
        let launch = Launch {
            shared_bytes: self.bulk_slots * tuning::BULK_CHUNK_BYTES,
            ..Launch::new(self.read_blocks(), tuning::BULK_THREADS)
        };
        let args = [
            span.into(),
            (span.bytes() / 16).into(),
            self.bulk_slots.into(),
            out.into(),
        ];
        stream.launch(&self.read_bulk, launch, &args)
    }

    /// Writes `span` with the salt that lies at `salt`.
    ///
    /// # Errors
    ///
    /// [`CudaError`].
    pub fn write_words(&self, stream: &Stream, span: Span, salt: Span) -> Result<(), CudaError> {
        let args = [span.into(), (span.bytes() / 16).into(), salt.into()];
        stream.launch(&self.write_words, self.store_shape(), &args)
    }

    /// Copies `from` to `to`, which is as long.
    ///
    /// # Errors
    ///
    /// [`CudaError`].
    pub fn copy_words(&self, stream: &Stream, from: Span, to: Span) -> Result<(), CudaError> {
        let args = [
            from.into(),
            to.into(),
            (from.bytes().min(to.bytes()) / 16).into(),
        ];
        stream.launch(&self.copy_words, self.store_shape(), &args)
    }

    /// Reads `span` `passes` times through L2; one u64 sum per block to `out`.
    ///
    /// # Errors
    ///
    /// [`CudaError`].
    pub fn read_resident(
        &self,
        stream: &Stream,
        span: Span,
        passes: u32,
        out: Span,
    ) -> Result<(), CudaError> {
        let args = [
            span.into(),
            (span.bytes() / 16).into(),
            passes.into(),
            out.into(),
        ];
        stream.launch(
            &self.read_resident,
            Launch::new(self.read_blocks(), tuning::READ_THREADS),
            &args,
        )
    }

    /// Writes the cycle in which node i is followed by `next[i]` (u32).
    ///
    /// # Errors
    ///
    /// [`CudaError`].
    pub fn link_nodes(&self, stream: &Stream, next: Span, cycle: Cycle) -> Result<(), CudaError> {
        let Cycle { span, stride } = cycle;
        let args = [
            next.into(),
            span.into(),
            stride.into(),
            (span.bytes() / stride).into(),
        ];
        stream.launch(&self.link_nodes, self.store_shape(), &args)
    }

    /// Follows the cycle for `hops` from the node index at `start`; the index reached goes to `end`.
    ///
    /// # Errors
    ///
    /// [`CudaError`].
    pub fn chase(
        &self,
        stream: &Stream,
        level: ChaseLevel,
        cycle: Cycle,
        hops: u32,
        start: Span,
        end: Span,
    ) -> Result<(), CudaError> {
        let function = match level {
            ChaseLevel::L1 => &self.chase_l1,
            ChaseLevel::L2 => &self.chase_l2,
        };
        let args = [
            cycle.span.into(),
            cycle.stride.into(),
            hops.into(),
            start.into(),
            end.into(),
        ];
        stream.launch(function, Launch::new(1, 1), &args)
    }

    /// `stages` dependent stages between the buffers `a` and `b`; for [`Edge::Barrier`] the u32 at `counter` must be 0.
    ///
    /// # Errors
    ///
    /// [`CudaError`].
    pub fn edges(
        &self,
        stream: &Stream,
        edge: Edge,
        stages: u32,
        a: Span,
        b: Span,
        counter: Span,
    ) -> Result<(), CudaError> {
        let mut launch = Launch::new(self.sm_count, tuning::EDGE_THREADS);
        match edge {
            Edge::Launch | Edge::DependentLaunch => {
                launch.dependent = edge == Edge::DependentLaunch;
                let function = match edge {
                    Edge::Launch => &self.edge_launch,
                    _ => &self.edge_dependent_launch,
                };
                for stage in 0..stages {
                    let (from, to) = if stage % 2 == 0 { (a, b) } else { (b, a) };
                    stream.launch(function, launch, &[from.into(), to.into()])?;
                }
                Ok(())
            }
            Edge::Barrier => {
                launch.cooperative = true;
                let args = [a.into(), b.into(), counter.into(), stages.into()];
                stream.launch(&self.edge_barrier, launch, &args)
            }
            Edge::GridSync => {
                launch.cooperative = true;
                stream.launch(
                    &self.edge_grid_sync,
                    launch,
                    &[a.into(), b.into(), stages.into()],
                )
            }
        }
    }

    /// Eight products per iteration in every warp; `a` holds 128 words, `b` 512, `out` four words per thread.
    ///
    /// # Errors
    ///
    /// [`CudaError`].
    pub fn tensor(
        &self,
        stream: &Stream,
        precision: Precision,
        a: Span,
        b: Span,
        iterations: u32,
        out: Span,
    ) -> Result<(), CudaError> {
        let function = match precision {
            Precision::Fp16 => &self.tensor_fp16,
            Precision::Int8 => &self.tensor_int8,
        };
        let args = [a.into(), b.into(), iterations.into(), out.into()];
        stream.launch(
            function,
            Launch::new(self.sm_count, tuning::TENSOR_THREADS),
            &args,
        )
    }
}
