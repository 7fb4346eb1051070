//! Invented sessions for tests, consistent in every respect: one of an H100, one of a host without a GPU.

mod draft;
mod facts;
mod generation;
mod sessions;

pub(crate) use sessions::{cpu, h100};
