//! Plans, which need no GPU, and the engine against the CPU's on one.

mod device;
mod plans;
mod samples;
