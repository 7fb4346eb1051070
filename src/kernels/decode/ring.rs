//! The rings of slots that rows come through, behind a block's vectors in its shared memory.

use super::matrix::{Matrix, step_bytes};
use crate::kernels::tuning;

/// Most slots of a ring of whole steps, and of parts of steps. More are slower: their copies stand before those that are
/// needed first.
const MOST_SLOTS: u32 = 2;
const MOST_PART_SLOTS: u32 = 4;

/// Where the rings of a block's warps begin, and what they take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ring {
    /// Bytes in front of them.
    pub at: u32,
    /// Bytes of a slot of every warp.
    slot: u32,
    most: u32,
}

impl Ring {
    /// Behind `at` bytes, for steps of `rows` rows of `span` chunks of any of `matrices`.
    pub(super) fn new(
        at: u32,
        (rows, span): (u32, u32),
        matrices: impl Iterator<Item = Matrix>,
    ) -> Self {
        let step = matrices.map(|matrix| step_bytes(matrix.ty, span)).max();
        Self {
            at,
            slot: tuning::ROW_WARPS * rows * step.unwrap_or(0),
            most: match span {
                32 => MOST_SLOTS,
                _ => MOST_PART_SLOTS,
            },
        }
    }

    /// The same for blocks of `warps` warps.
    pub(super) fn of_warps(self, warps: u32) -> Self {
        Self {
            slot: self.slot / tuning::ROW_WARPS * warps,
            ..self
        }
    }

    /// As many slots as `limit` bytes of shared memory have room for, at least one.
    pub(super) fn slots(&self, limit: u32) -> u32 {
        (limit.saturating_sub(self.at) / self.slot.max(1)).clamp(1, self.most)
    }

    /// Shared memory of a block with rings of `slots` slots.
    pub(super) fn bytes(&self, slots: u32) -> u32 {
        self.at + slots * self.slot
    }
}
