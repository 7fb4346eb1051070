//! One case before it runs.

use std::collections::BTreeMap;

use crate::{
    kernels::{ChaseLevel, Edge, KvShape, Precision},
    result::{Cache, CaseKind, Comparison, PlannedCase, Rotation, Work},
};

/// The benchmark families that exist.
pub const FAMILIES: &[&str] = &["memory", "e2e"];

/// What a case of family `memory` does. Sizes in bytes unless the name says otherwise.
#[derive(Debug, Clone, PartialEq)]
pub enum Job {
    /// Reads a buffer by plain loads.
    ReadLoads,
    /// Reads a buffer by bulk copies into shared memory.
    ReadBulk,
    /// Writes a buffer.
    Write,
    /// Copies a buffer by a kernel.
    Copy,
    /// Copies a buffer by the driver.
    DriverCopy,
    /// Reads a buffer again and again through L2.
    Resident {
        /// Passes of one launch.
        passes: u32,
    },
    /// Follows a random cycle of pointers.
    Chase {
        /// Cache that it goes through.
        level: ChaseLevel,
        /// Distance of nodes.
        stride: u64,
    },
    /// Dependent stages.
    Edge {
        /// Their form.
        edge: Edge,
        /// Whether they are one captured graph.
        graph: bool,
    },
    /// Matrix products on the tensor cores.
    Tensor {
        /// Their precision.
        precision: Precision,
        /// Iterations of one launch.
        iterations: u32,
    },
    /// Reads a KV cache in attention's order.
    KvRead {
        /// The cache of one layer.
        shape: KvShape,
    },
    /// Reads the weights of chosen experts.
    ExpertFetch(ExpertSets),
}

/// The experts of a case and how they are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpertSets {
    /// Experts of a layer.
    pub experts: u32,
    /// Experts of a set: those that one token uses.
    pub used: u32,
    /// Bytes of one expert in each of its tensors.
    pub bytes_per_expert: [u64; 3],
    /// Disjoint sets; each is an operation of a cold sample, or all of a warm one.
    pub sets: u64,
}

/// A case: everything that is declared before it is measured. `J` is what its family does.
#[derive(Debug, Clone, PartialEq)]
pub struct Case<J = Job> {
    /// Stable id.
    pub id: String,
    /// What is measured.
    pub kind: CaseKind,
    /// Integer parameters.
    pub sizes: BTreeMap<String, u64>,
    /// Named parameters.
    pub labels: BTreeMap<String, String>,
    /// Work of one operation.
    pub work: Work,
    /// State of the caches.
    pub cache: Cache,
    /// Operations in one sample.
    pub operations_per_sample: u64,
    /// Rotation of the inputs.
    pub rotation: Rotation,
    /// Device memory needed.
    pub memory_bytes: u64,
    /// Estimated time, modelled.
    pub estimate_ns: u64,
    /// What the outputs must equal.
    pub reference: &'static str,
    /// How they are compared.
    pub comparison: Comparison,
    /// Largest error that passes.
    pub tolerance: f64,
    /// What it does.
    pub job: J,
}

impl<J> Case<J> {
    /// The family: the first part of the id.
    pub fn family(&self) -> &str {
        self.id.split('/').next().unwrap_or_default()
    }

    /// Bytes that one operation moves.
    pub fn bytes_per_operation(&self) -> u64 {
        self.work.bytes_read + self.work.bytes_written
    }

    /// The case as a plan lists it.
    pub fn planned(&self) -> PlannedCase {
        PlannedCase {
            id: self.id.clone(),
            bytes_per_operation: self.bytes_per_operation(),
            memory_bytes: self.memory_bytes,
            estimate_ns: self.estimate_ns,
        }
    }
}
