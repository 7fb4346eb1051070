//! The loaded image of family `decode`, and the shape of each launch.

use std::collections::BTreeMap;

use crate::{
    device::cuda::{Cuda, CudaError, Function, Launch, Parameters, Stream},
    kernels::{
        load::{KernelError, Loaded},
        tuning,
    },
    result::ImageRecord,
};

use super::attention::{Attention, Delta};
use super::project::Tile;
use super::repack::{Order, Repack};
use super::stage::Stage;

/// The loaded image of family `decode`.
pub struct Decode {
    record: ImageRecord,
    sm_count: u32,
    project_wide: Function,
    project_deep: Function,
    head: Function,
    experts_up: Function,
    experts_down: Function,
    next_token: Function,
    attention_combine: Function,
    /// Two ways: to planes, and back.
    repack: BTreeMap<Order, (Function, Function)>,
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
        let Loaded { image, record } = Loaded::new(cuda, "decode", "project_wide")?;
        let function = |name: &str| -> Result<Function, KernelError> {
            let function = image.function(name)?;
            function.prefer_shared_memory()?;
            Ok(function)
        };
        let with_shared = |name: &str, bytes: u32| -> Result<Function, KernelError> {
            let function = function(name)?;
            function.allow_shared_memory(bytes)?;
            Ok(function)
        };
        let mut attention = BTreeMap::new();
        for dim in Attention::HEAD_DIMS {
            for heads in Attention::HEADS_AT_ONCE {
                let name = format!("attention_{dim}x{heads}");
                let function = with_shared(&name, Attention::shared_bytes_of(dim))?;
                attention.insert((dim, heads), function);
            }
        }
        let mut delta_step = BTreeMap::new();
        for dim in Delta::KEY_DIMS {
            delta_step.insert(dim, function(&format!("delta_step_{dim}"))?);
        }
        let mut repack = BTreeMap::new();
        for order in Order::ALL {
            let named = |verb: &str| function(&format!("{verb}{}", order.suffix()));
            repack.insert(order, (named("repack")?, named("restore")?));
        }
        let with_vectors = |name| with_shared(name, tuning::DYNAMIC_BYTES_MAX);
        Ok(Self {
            record,
            sm_count: cuda.facts().sm_count,
            project_wide: with_vectors("project_wide")?,
            project_deep: with_vectors("project_deep")?,
            head: with_vectors("head")?,
            experts_up: with_vectors("experts_up")?,
            experts_down: with_vectors("experts_down")?,
            next_token: function("next_token")?,
            attention_combine: function("attention_combine")?,
            repack,
            attention,
            delta_step,
            _loaded: image,
        })
    }

    /// What the result states of the image.
    pub fn record(&self) -> &ImageRecord {
        &self.record
    }

    /// Queues a stage. A `dependent` one may start before the stage in front of it has ended, and waits inside.
    ///
    /// # Errors
    ///
    /// [`CudaError`]; `NoKernel` for a shape that no kernel was made for.
    pub fn launch(&self, stream: &Stream, stage: &Stage, dependent: bool) -> Result<(), CudaError> {
        let (function, launch, parameters) = self.shape(stage)?;
        let launch = Launch {
            shared_bytes: stage.shared_bytes(),
            dependent,
            ..launch
        };
        stream.launch_struct(function, launch, &parameters)
    }

    fn shape(&self, stage: &Stage) -> Result<(&Function, Launch, Parameters), CudaError> {
        let every_sm = |threads| Launch::new(self.sm_count, threads);
        let grid = |grid, threads| Launch {
            grid,
            ..Launch::new(1, threads)
        };
        let project = every_sm(tuning::PROJECT_THREADS);
        Ok(match stage {
            Stage::ProjectWide(wide) => {
                let parameters = wide.parameters(self.sm_count, Tile::WIDE);
                (&self.project_wide, project, parameters)
            }
            Stage::ProjectDeep(deep) => {
                let parameters = deep.parameters(self.sm_count, Tile::DEEP);
                (&self.project_deep, project, parameters)
            }
            Stage::Head(head) => {
                let launch = every_sm(tuning::HEAD_THREADS);
                (&self.head, launch, head.parameters())
            }
            Stage::ExpertsUp(up) => {
                let launch = every_sm(tuning::EXPERTS_UP_THREADS);
                (&self.experts_up, launch, up.parameters())
            }
            Stage::ExpertsDown(down) => {
                let launch = every_sm(tuning::EXPERTS_DOWN_THREADS);
                (&self.experts_down, launch, down.parameters())
            }
            Stage::NextToken(next) => {
                let launch = Launch::new(1, tuning::NEXT_TOKEN_THREADS);
                (&self.next_token, launch, next.parameters())
            }
            Stage::Combine(combine) => {
                let blocks = (combine.heads, combine.head_dim / tuning::COMBINE_ELEMENTS);
                let launch = grid(blocks, tuning::COMBINE_THREADS);
                (&self.attention_combine, launch, combine.parameters())
            }
            Stage::Attention(attention) => {
                let key = (attention.head_dim, attention.heads_at_once());
                let function = self.attention.get(&key);
                let blocks = (attention.splits, attention.heads / key.1.max(1));
                (
                    function.ok_or_else(|| missing(format!("attention_{}x{}", key.0, key.1)))?,
                    grid(blocks, Attention::threads_of(attention.head_dim)),
                    attention.parameters(),
                )
            }
            Stage::Delta(delta) => {
                let function = self.delta_step.get(&delta.key_dim);
                let parts = delta.value_dim.div_ceil(tuning::DELTA_ROWS);
                (
                    function.ok_or_else(|| missing(format!("delta_step_{}", delta.key_dim)))?,
                    grid((delta.value_heads, parts), tuning::DELTA_THREADS),
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
        self.reorder(stream, repack, |(repack, _)| repack)
    }

    /// Queues the reverse of [`repack`](Self::repack): planes become blocks.
    ///
    /// # Errors
    ///
    /// [`CudaError`].
    pub fn restore(&self, stream: &Stream, repack: &Repack) -> Result<(), CudaError> {
        self.reorder(stream, repack, |(_, restore)| restore)
    }

    fn reorder(
        &self,
        stream: &Stream,
        repack: &Repack,
        way: impl Fn(&(Function, Function)) -> &Function,
    ) -> Result<(), CudaError> {
        let both = self.repack.get(&repack.order);
        let function = way(both.ok_or_else(|| missing("repack".to_owned()))?);
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
