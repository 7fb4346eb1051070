//! What the stages of all layers hand to each other, and to the head.

use crate::engine::EngineError;
use crate::kernels::decode::{Address, NormKind, TOKEN_BYTES};
use crate::model::Architecture;

use super::planner::{Planner, narrow, unsupported};

/// Buffers that all layers share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Buffers {
    /// The [`Token`](crate::kernels::decode::Token) record.
    pub token: Address,
    /// Ids of the host, u32 \[context\].
    pub forced: Address,
    /// f32 \[vocabulary\]
    pub logits: Address,
    /// u32 \[steps\]\[layers\]\[used\]
    pub trace: Address,
    /// From one step's ids to the next's.
    pub trace_stride: u32,
    pub trace_steps: u32,
    /// The residual stream, f32 \[embedding\].
    pub x: Address,
    /// Numbers of the residual stream.
    pub embedding: u32,
    /// Of the router, f32 \[experts\].
    pub router: Address,
    /// u32 \[used\]
    pub chosen: Address,
    /// f32 \[used\]
    pub weight: Address,
    /// f32 \[used\]\[expert width\]
    pub hidden: Address,
}

impl Buffers {
    /// Places for all of them.
    pub fn new(
        planner: &mut Planner,
        architecture: &Architecture,
        vocabulary: u32,
        context: u32,
        trace_steps: u32,
    ) -> Result<Self, EngineError> {
        /// As `experts_up` has room for.
        const EXPERTS_MAX: u64 = 512;
        const USED_MAX: u64 = 32;
        let (experts, used) = architecture.experts();
        if experts > EXPERTS_MAX || used > USED_MAX {
            return Err(unsupported(
                "routed experts".to_owned(),
                format!("at most {EXPERTS_MAX}, of which a token uses at most {USED_MAX}"),
                format!("{experts} and {used}"),
            ));
        }
        let (embedding, width) = match architecture {
            Architecture::Qwen35Moe(shape) => (shape.embedding, shape.expert_width),
            Architecture::Gemma4(shape) => (shape.embedding, shape.expert_width),
        };
        let embedding = narrow("a residual stream", embedding)?;
        let layers = architecture.layers().len() as u64;
        let (experts, used) = (experts as u32, used as u32);
        let trace_stride = narrow("a trace", layers * u64::from(used))?;
        Ok(Self {
            token: planner.take(TOKEN_BYTES),
            forced: planner.take(u64::from(context) * 4),
            logits: planner.take_f32(vocabulary),
            trace: planner.take(u64::from(trace_steps) * u64::from(trace_stride) * 4),
            trace_stride,
            trace_steps,
            x: planner.take_f32(embedding),
            embedding,
            router: planner.take_f32(experts),
            chosen: planner.take_f32(used),
            weight: planner.take_f32(used),
            hidden: planner.take_f32(narrow("hidden vectors", u64::from(used) * width)?),
        })
    }

    /// Where the ids of `layer` begin in the trace.
    pub fn trace_of(&self, layer: usize, used: u32) -> Address {
        self.trace.offset(layer as u64 * u64::from(used) * 4)
    }
}

/// The input of the head: what is done with the residual stream behind the last layer.
pub(super) struct Ending {
    pub x: Address,
    pub kind: NormKind,
}
