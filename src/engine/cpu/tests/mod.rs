//! The engine against the reference on very small models, and against itself.

mod files;
mod numbers;
mod refusals;
mod scratch;
