//! Family `e2e`: whole models decoded by an engine in a process of its own, and the weights that it is given.

mod cases;
mod digest;
mod error;
mod prompts;
mod store;
mod weights;

pub use cases::{Fill, GenerationJob, generation_cases, with_beside};
pub use digest::{FileDigest, differing, digest};
pub use error::WeightsError;
pub use prompts::{Prompts, PromptsError, prompt_record, prompt_seed};
pub use store::Store;
pub use weights::Weights;
