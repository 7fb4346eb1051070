//! What the calibration kernels can be asked for.

use crate::device::cuda::Span;

/// Which cache a pointer chase goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChaseLevel {
    /// L1 and what lies behind it.
    L1,
    /// L2 and what lies behind it.
    L2,
}

/// A cycle of nodes in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cycle {
    /// The memory.
    pub span: Span,
    /// Distance of nodes in bytes.
    pub stride: u64,
}

/// Forms of an edge between two dependent stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// Two launches in order.
    Launch,
    /// Two launches, the second allowed to start early and wait inside.
    DependentLaunch,
    /// A barrier over the whole grid on one counter.
    Barrier,
    /// Cooperative groups' grid sync.
    GridSync,
}

/// Precision of the tensor-core kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// f16 inputs, f32 accumulators, m16n8k16.
    Fp16,
    /// int8 inputs, int32 accumulators, m16n8k32.
    Int8,
}

impl Precision {
    /// Inner dimension of one instruction.
    pub fn inner(self) -> u64 {
        match self {
            Self::Fp16 => 16,
            Self::Int8 => 32,
        }
    }
}
