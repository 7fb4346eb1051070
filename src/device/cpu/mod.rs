//! The host's processor as a device: parallel reads, writes, copies and dependent loads over aligned buffers.

mod available;
mod buffer;
mod chain;
mod error;
mod gather;
mod pool;

pub use available::available_bytes;
pub use buffer::Buffer;
pub use chain::Chain;
pub use error::CpuError;
pub use gather::{Gather, Span};
pub use pool::CpuDevice;
