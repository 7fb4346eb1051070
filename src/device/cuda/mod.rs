//! All CUDA code that is unsafe: the driver, memory, images, launches, graphs. Everything exported is safe to call; a wrong
//! kernel can spoil device memory and its own results, not the harness.
#![expect(
    unsafe_code,
    reason = "the driver is a C library; this module is its only caller"
)]

mod context;
mod driver;
mod error;
mod launch;
mod memory;
mod module;
mod parameters;
mod pinned;
mod stream;
mod upload;

pub use context::{Cuda, Facts};
pub use driver::{Driver, probe};
pub use error::CudaError;
pub use launch::{Arg, Launch};
pub use memory::{Arena, Span};
pub use module::{Function, Image};
pub use parameters::Parameters;
pub use pinned::{HostFlag, HostWords};
pub use stream::{Event, Graph, Stream};
pub use upload::Uploader;
