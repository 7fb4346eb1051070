//! What runs the work: CUDA GPUs, the processor here, the inputs they share, and the driver's libraries. Knows nothing of
//! benchmarks or clocks.

pub mod cpu;
pub mod cuda;
mod error;
pub mod generator;
pub mod library;

pub use error::DeviceError;
