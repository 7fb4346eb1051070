//! A stage of a token: a kernel with its arguments, as data.

use super::attention::{Attention, Combine, Delta};
use super::experts::{ExpertsDown, ExpertsUp};
use super::project::{Head, NextToken, Project};

/// One launch.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// `project_wide`: many rows.
    ProjectWide(Project),
    /// `project_deep`: fewer rows than two for every warp; no paired products.
    ProjectDeep(Project),
    /// `attention_*`
    Attention(Attention),
    /// `attention_combine`
    Combine(Combine),
    /// `delta_step_*`
    Delta(Delta),
    /// `experts_up`
    ExpertsUp(ExpertsUp),
    /// `experts_down`
    ExpertsDown(ExpertsDown),
    /// `head`
    Head(Head),
    /// `next_token`
    NextToken(NextToken),
}

impl Stage {
    /// The kernel's family of names, for messages and tests.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ProjectWide(_) => "project_wide",
            Self::ProjectDeep(_) => "project_deep",
            Self::Attention(_) => "attention",
            Self::Combine(_) => "attention_combine",
            Self::Delta(_) => "delta_step",
            Self::ExpertsUp(_) => "experts_up",
            Self::ExpertsDown(_) => "experts_down",
            Self::Head(_) => "head",
            Self::NextToken(_) => "next_token",
        }
    }

    /// Dynamic shared memory of a block.
    pub fn shared_bytes(&self) -> u32 {
        match self {
            Self::ProjectWide(project) | Self::ProjectDeep(project) => project.norms.shared_bytes(),
            Self::Head(head) => head.norms.shared_bytes(),
            Self::ExpertsUp(up) => up.norms.shared_bytes(),
            Self::ExpertsDown(down) => down.shared_bytes(),
            Self::Attention(attention) => Attention::shared_bytes_of(attention.head_dim),
            Self::Combine(_) | Self::Delta(_) | Self::NextToken(_) => 0,
        }
    }
}
