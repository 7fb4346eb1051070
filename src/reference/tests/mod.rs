//! Whole models: against an independent implementation, one form against the other, and every variant of a file.

mod forms;
mod known_answers;
mod refusals;
mod sizes;
mod variants;
