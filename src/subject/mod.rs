//! Engines as the harness sees them: started, fed with ids, stamped with the harness's clock, and believed in nothing.

mod environment;
mod error;
mod findings;
mod generation;
mod http;
mod llama;
mod native;
mod process;
mod stamped;
#[cfg(test)]
mod tests;
mod wire;

pub use error::{Fault, SubjectError};
pub use findings::Finding;
pub use generation::{Generation, Launch, Limits, ModelShape, Subject, Task};
pub use llama::{LlamaOptions, LlamaServer};
pub use native::{Native, NativeOptions};
