//! What a session is asked to do.

use std::path::PathBuf;

use crate::bench::e2e::Fill;
use crate::config::{Model, Target};

/// Which device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first GPU; the processor where there is none.
    Auto,
    /// The GPU of this ordinal, or an error.
    Cuda(u32),
    /// The processor.
    Cpu,
}

/// Which weights engines are given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum WeightsChoice {
    /// Tiny synthetic ones on the processor; on a GPU none, and nothing is generated.
    #[default]
    Auto,
    /// The pinned synthetic files of full size, made where they are not there.
    Synthetic,
    /// A file.
    File(PathBuf),
}

/// What a session is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Families; all that exist if empty.
    pub families: Vec<String>,
    /// Texts of which a case's id must contain one; no limit if empty.
    pub only: Vec<String>,
    /// Targets; those of the machine found if empty.
    pub targets: Vec<Target>,
    /// Models when no target names one; all built-in ones if empty.
    pub models: Vec<Model>,
    /// Which device.
    pub device: DeviceChoice,
    /// Which weights.
    pub weights: WeightsChoice,
    /// The engine's program; `spark-engine` beside the harness, or the one within it, if none is given.
    pub engine: Option<PathBuf>,
    /// The program of an engine that is measured beside it, run by run in turn.
    pub beside: Option<PathBuf>,
    /// Most bytes of the GPU's memory that engines may use; all of it if none is given.
    pub memory_limit: Option<u64>,
    /// Whence long contexts are.
    pub fill: Fill,
    /// Whether engines are asked what each stage of a token takes.
    pub stages: bool,
    /// Text that prompts are cut from; generated text if none is given.
    pub corpus: Option<PathBuf>,
    /// Seed of all inputs; random if none is given.
    pub seed: Option<u64>,
    /// The command line without the program's name, for the record.
    pub arguments: Vec<String>,
}
