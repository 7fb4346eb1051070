//! Machines, models and targets, read from YAML with errors that name file, line, column and the fix.

mod builtin;
mod check;
mod complaint;
mod error;
pub mod load;
mod locate;
mod machine;
mod model;
mod model_rules;
mod parse;
mod source;
mod suggest;
mod target;

pub use builtin::{Role, built_in_names};
pub use error::ConfigError;
pub use load::machine_for_device;
pub use machine::{Machine, MeasuredConstants, MemoryKind, SM_TARGETS};
pub use model::{
    Attention, Experts, Model, Recurrent, Stated, SyntheticPin, SyntheticScale, WeightsPin,
};
pub use source::ConfigSource;
pub use target::{Baseline, BaselineKind, CorpusPin, Goal, GoalKind, Target, Wanted};
