//! How to time: warm-up, samples, discards, when to stop, and the checks in between. Knows nothing of models.

mod gpu_timer;
mod sampling;
mod timed;

pub use gpu_timer::GpuTimer;
pub use sampling::{Rules, Sampled, sample};
pub use timed::{Outcome, Sample, Timed};
