//! What runs the work: the processor here, the inputs they all share, and the driver's libraries. Knows nothing of
//! benchmarks or clocks.

pub mod cpu;
pub mod generator;
pub mod library;
