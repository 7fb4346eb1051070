//! Everything that a person sees: the only place that writes to the terminal.

pub mod case_table;
pub mod doctor;
pub mod generation_table;
pub mod inspection;
pub mod number;
pub mod plan;
pub mod progress;
pub mod session;
pub mod stage_table;
mod style;
pub mod table;
pub mod targets;
pub mod terminal;
pub mod verification;

#[cfg(test)]
mod sample;
