//! The loaded image of family `decode`, and the shape of each launch.

use std::collections::BTreeMap;

use crate::{
    device::cuda::{Cuda, CudaError, Function, Launch, Parameters, Stream},
    kernels::{
        load::{KernelError, Loaded},
        tuning,
    },
    quant::TensorType,
    result::ImageRecord,
};

use super::attention::{Attention, Delta};
use super::matrix::Matrix;
use super::project::Head;
use super::repack::Repack;
use super::ring::Ring;
use super::stage::Stage;

// Types that kernels of few types have code for, as their files say.
const PROJECT_K: &[TensorType] = &[
    TensorType::Q4_K,
    TensorType::Q5_K,
    TensorType::Q6_K,
    TensorType::F32,
];
const HEAD_K: &[TensorType] = &[TensorType::Q6_K];
const EXPERTS_UP_K: &[TensorType] = &[TensorType::Q4_K, TensorType::Q5_K];
const EXPERTS_DOWN_K: &[TensorType] = &[TensorType::Q4_K, TensorType::Q6_K];
const EXPERTS_DOWN_Q: &[TensorType] = &[TensorType::Q5_0, TensorType::Q8_0];

/// A kernel for all types, and some for a few, whose code is short and whose blocks need few registers.
struct Variants {
    special: Vec<(&'static [TensorType], Function)>,
    general: Function,
}

impl Variants {
    /// The shortest for matrices of these types.
    fn of(&self, matrices: impl Iterator<Item = Matrix> + Clone) -> &Function {
        let fits = |types: &[TensorType]| matrices.clone().all(|matrix| types.contains(&matrix.ty));
        let special = self.special.iter().find(|(types, _)| fits(types));
        special.map_or(&self.general, |(_, function)| function)
    }
}

/// Dynamic shared memory of the blocks of every second stage of a chain, and of those between. Where an SM has room for two
/// blocks, those of even stages take more than half of it and those of odd stages the rest: so every SM gets one of each, and
/// none gets two of a stage while another has none and is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SharedMemory {
    even: Share,
    odd: Share,
    /// What a block may take that has an SM to itself.
    whole: u32,
}

/// What a stage takes at least, and may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Share {
    least: u32,
    most: u32,
}

impl SharedMemory {
    fn of(per_sm: u32, per_block: u32) -> Self {
        // Beside what a block asks for.
        let beside = tuning::RESERVED_BYTES + tuning::STATIC_BYTES;
        let even = per_sm / 2;
        let odd = per_sm.saturating_sub(even + 2 * beside);
        let whole = per_block.saturating_sub(tuning::STATIC_BYTES);
        if even > per_block || odd < tuning::DYNAMIC_BYTES_MAX {
            let alone = Share {
                least: 0,
                most: whole,
            };
            return Self {
                even: alone,
                odd: alone,
                whole,
            };
        }
        Self {
            even: Share {
                least: even,
                most: even,
            },
            // Never two of them beside one that is even, and never three.
            odd: Share {
                least: per_sm / 3,
                most: odd,
            },
            whole,
        }
    }

    /// Of the stage with number `index` in its chain.
    fn at(&self, index: usize) -> Share {
        match index % 2 {
            0 => self.even,
            _ => self.odd,
        }
    }
}

/// The loaded image of family `decode`.
pub struct Decode {
    record: ImageRecord,
    sm_count: u32,
    shared: SharedMemory,
    project: Variants,
    head: Variants,
    experts_up: Variants,
    experts_down: Variants,
    next_token: Function,
    attention_combine: Function,
    repack: Function,
    restore: Function,
    /// By head dimension and heads at once.
    attention: BTreeMap<(u32, u32), Function>,
    /// By key dimension.
    delta_step: BTreeMap<u32, Function>,
    _loaded: crate::device::cuda::Image,
}

impl Decode {
    /// Loads the image.
    ///
    /// # Errors
    ///
    /// [`KernelError`].
    pub fn load(cuda: &Cuda) -> Result<Self, KernelError> {
        let Loaded { image, record } = Loaded::new(cuda, "decode", "project")?;
        let facts = cuda.facts();
        let shared = SharedMemory::of(
            facts.shared_memory_per_sm_bytes,
            facts.shared_memory_per_block_bytes,
        );
        let function = |name: &str| -> Result<Function, KernelError> {
            let function = image.function(name)?;
            function.prefer_shared_memory()?;
            function.allow_shared_memory(shared.whole)?;
            Ok(function)
        };
        let variants = |name: &str, types: &[(&str, &'static [TensorType])]| {
            let special = types.iter().map(|(suffix, types)| {
                let function = function(&format!("{name}_{suffix}"))?;
                Ok((*types, function))
            });
            Ok::<_, KernelError>(Variants {
                special: special.collect::<Result<_, KernelError>>()?,
                general: function(name)?,
            })
        };
        let mut attention = BTreeMap::new();
        for dim in Attention::HEAD_DIMS {
            for heads in Attention::HEADS_AT_ONCE {
                let function = function(&format!("attention_{dim}x{heads}"))?;
                attention.insert((dim, heads), function);
            }
        }
        let mut delta_step = BTreeMap::new();
        for dim in Delta::KEY_DIMS {
            delta_step.insert(dim, function(&format!("delta_step_{dim}"))?);
        }
        Ok(Self {
            record,
            sm_count: facts.sm_count,
            shared,
            project: variants("project", &[("k", PROJECT_K)])?,
            head: variants("head", &[("k", HEAD_K)])?,
            experts_up: variants("experts_up", &[("k", EXPERTS_UP_K)])?,
            experts_down: variants(
                "experts_down",
                &[("k", EXPERTS_DOWN_K), ("q", EXPERTS_DOWN_Q)],
            )?,
            next_token: function("next_token")?,
            attention_combine: function("attention_combine")?,
            repack: image.function("repack")?,
            restore: image.function("restore")?,
            attention,
            delta_step,
            _loaded: image,
        })
    }

    /// What the result states of the image.
    pub fn record(&self) -> &ImageRecord {
        &self.record
    }

    /// Queues the stage with number `index` of a chain. All but the first may start before the stage in front of them has
    /// ended, and wait inside.
    ///
    /// # Errors
    ///
    /// [`CudaError`]; `NoKernel` for a shape that no kernel was made for.
    pub fn launch(&self, stream: &Stream, stage: &Stage, index: usize) -> Result<(), CudaError> {
        let share = self.shared.at(index);
        let (ring, most) = match stage {
            Stage::Head(head) => (Some(self.head_ring(head).0), self.shared.whole),
            _ => (stage.ring(), share.most),
        };
        let slots = ring.map_or(0, |ring| ring.slots(most));
        let bytes = ring.map_or(stage.shared_bytes(), |ring| ring.bytes(slots));
        let (function, launch, parameters) = self.shape(stage, slots)?;
        let launch = Launch {
            shared_bytes: bytes.max(share.least),
            dependent: index > 0,
            ..launch
        };
        stream.launch_struct(function, launch, &parameters)
    }

    /// The rings of `head` and the warps of a block that they are for: as many as two slots of each have room for, where
    /// the kernel takes more than others.
    fn head_ring(&self, head: &Head) -> (Ring, u32) {
        let warps = |warps| (head.ring().of_warps(warps), warps);
        match HEAD_K.contains(&head.matrix.ty) {
            true => tuning::HEAD_WARPS
                .map(warps)
                .into_iter()
                .find(|(ring, _)| ring.slots(self.shared.whole) > 1),
            false => None,
        }
        .unwrap_or(warps(tuning::ROW_WARPS))
    }

    fn shape(
        &self,
        stage: &Stage,
        slots: u32,
    ) -> Result<(&Function, Launch, Parameters), CudaError> {
        let rows = |blocks| Launch::new(blocks, tuning::ROW_THREADS);
        // A block for every SM at least, see `stand_by` in `ordering.cuh`.
        let filled = |blocks: u32, threads| Launch::new(blocks.max(self.sm_count), threads);
        Ok(match stage {
            Stage::Project(project) => {
                // Every segment has blocks of its own.
                let blocks = self.sm_count.max(project.segments.len() as u32);
                let function = self.project.of(project.matrices());
                (function, rows(blocks), project.parameters(blocks, slots))
            }
            Stage::Head(head) => {
                let function = self.head.of(std::iter::once(head.matrix));
                let (_, warps) = self.head_ring(head);
                let launch = Launch::new(self.sm_count, 32 * warps);
                (function, launch, head.parameters(slots))
            }
            Stage::ExpertsUp(up) => {
                let function = self.experts_up.of(up.matrices());
                (function, rows(self.sm_count), up.parameters(slots))
            }
            Stage::ExpertsDown(down) => {
                let function = self.experts_down.of(down.matrices());
                let blocks = down.blocks(self.sm_count);
                (
                    function,
                    rows(blocks),
                    down.parameters(self.sm_count, slots),
                )
            }
            Stage::NextToken(next) => {
                let launch = Launch::new(self.sm_count, tuning::NEXT_TOKEN_THREADS);
                (&self.next_token, launch, next.parameters())
            }
            Stage::Combine(combine) => {
                let blocks = combine.heads * (combine.head_dim / tuning::COMBINE_ELEMENTS);
                let launch = filled(blocks, tuning::COMBINE_THREADS);
                (&self.attention_combine, launch, combine.parameters())
            }
            Stage::Attention(attention) => {
                let key = (attention.head_dim, attention.heads_at_once());
                let function = self.attention.get(&key);
                let blocks = attention.splits * (attention.heads / key.1.max(1));
                (
                    function.ok_or_else(|| missing(format!("attention_{}x{}", key.0, key.1)))?,
                    filled(blocks, Attention::threads_of(attention.head_dim)),
                    attention.parameters(),
                )
            }
            Stage::Delta(delta) => {
                let function = self.delta_step.get(&delta.key_dim);
                let parts = delta.value_dim.div_ceil(tuning::DELTA_ROWS);
                (
                    function.ok_or_else(|| missing(format!("delta_step_{}", delta.key_dim)))?,
                    filled(delta.value_heads * parts, tuning::DELTA_THREADS),
                    delta.parameters(),
                )
            }
        })
    }

    /// Queues the cutting of blocks into planes.
    ///
    /// # Errors
    ///
    /// [`CudaError`].
    pub fn repack(&self, stream: &Stream, repack: &Repack) -> Result<(), CudaError> {
        self.reorder(stream, repack, &self.repack)
    }

    /// Queues the reverse of [`repack`](Self::repack): planes become blocks.
    ///
    /// # Errors
    ///
    /// [`CudaError`].
    pub fn restore(&self, stream: &Stream, repack: &Repack) -> Result<(), CudaError> {
        self.reorder(stream, repack, &self.restore)
    }

    fn reorder(
        &self,
        stream: &Stream,
        repack: &Repack,
        function: &Function,
    ) -> Result<(), CudaError> {
        let grid = self.sm_count * tuning::REPACK_BLOCKS_PER_SM;
        let launch = Launch::new(grid, tuning::REPACK_THREADS);
        stream.launch_struct(function, launch, &repack.parameters())
    }
}

fn missing(kernel: String) -> CudaError {
    CudaError::NoKernel {
        family: "decode".into(),
        kernel,
    }
}

#[cfg(test)]
mod tests {
    use super::{Share, SharedMemory};

    #[test]
    fn an_sm_has_room_for_one_block_of_each_of_two_stages() {
        let hopper = SharedMemory::of(233_472, 232_448);
        let SharedMemory { even, odd, whole } = hopper;
        let block = |bytes: u32| bytes + 1024;
        assert!(2 * block(even.least) > 233_472);
        assert!(block(even.most) + block(odd.most) + 2 * 5 * 1024 <= 233_472);
        assert!(block(even.least) + 2 * block(odd.least) > 233_472);
        assert!(3 * block(odd.least) > 233_472);
        assert_eq!((hopper.at(0), hopper.at(3)), (even, odd));
        assert_eq!(whole, 232_448 - 5 * 1024);
        // An SM with as much as one block: no second one.
        let blackwell = SharedMemory::of(102_400, 101_376);
        let alone = Share {
            least: 0,
            most: 101_376 - 5 * 1024,
        };
        assert_eq!((blackwell.even, blackwell.odd), (alone, alone));
    }
}
