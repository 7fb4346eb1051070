//! A stage of a token: a kernel with its arguments, as data.

use super::attention::{Attention, Combine, Delta};
use super::experts::{ExpertsDown, ExpertsUp};
use super::project::{Head, NextToken, Project};
use super::ring::Ring;

/// One launch.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// `project`
    Project(Project),
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
            Self::Project(_) => "project",
            Self::Attention(_) => "attention",
            Self::Combine(_) => "attention_combine",
            Self::Delta(_) => "delta_step",
            Self::ExpertsUp(_) => "experts_up",
            Self::ExpertsDown(_) => "experts_down",
            Self::Head(_) => "head",
            Self::NextToken(_) => "next_token",
        }
    }

    /// What it is in a context of `tokens` tokens: attention may need a second stage.
    pub fn in_context(&self, tokens: usize) -> impl Iterator<Item = Self> + use<> {
        let (first, second) = match self {
            Self::Attention(attention) => {
                let (attention, combine) = attention.in_context(tokens);
                (Self::Attention(attention), combine.map(Self::Combine))
            }
            same => (same.clone(), None),
        };
        [Some(first), second].into_iter().flatten()
    }

    /// The rings that its rows come through; None where it has none.
    pub(super) fn ring(&self) -> Option<Ring> {
        match self {
            Self::Project(project) => Some(project.ring()),
            Self::Head(head) => Some(head.ring()),
            Self::ExpertsUp(up) => Some(up.ring()),
            Self::ExpertsDown(down) => Some(down.ring()),
            Self::Attention(_) | Self::Combine(_) | Self::Delta(_) | Self::NextToken(_) => None,
        }
    }

    /// Least dynamic shared memory of a block.
    pub fn shared_bytes(&self) -> u32 {
        match self {
            Self::Attention(attention) => Attention::shared_bytes_of(attention.head_dim),
            stage => stage.ring().map_or(0, |ring| ring.bytes(1)),
        }
    }
}
