//! The embedded kernel images and a typed launcher for each kernel. Knows nothing of what is measured with them.

mod calibration;
pub mod decode;
mod load;
mod memory;
pub mod prefill;
pub mod tuning;

pub use calibration::{Calibration, ChaseLevel, Cycle, Edge, Precision};
pub use load::{KernelError, Loaded};
pub use memory::{ExpertTensors, KvShape, Memory};
