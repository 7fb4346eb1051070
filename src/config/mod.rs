//! Machines, models and targets, read from YAML with errors that name file, line, column and the fix.

mod check;
mod machine;
mod model;
mod source;
mod target;

pub use machine::{Machine, MeasuredConstants, MemoryKind, SM_TARGETS};
pub use model::{
    Attention, Experts, Model, Recurrent, Stated, SyntheticPin, SyntheticScale, WeightsPin,
};
pub use source::ConfigSource;
pub use target::{Baseline, BaselineKind, Goal, GoalKind, Target, Wanted};
