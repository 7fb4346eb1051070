//! Engines: a model file opened on a device, taking token ids and giving logits; and the session that serves one.

pub mod cpu;
pub mod cuda;
mod error;
#[cfg(test)]
mod fake;
mod greedy;
mod interface;
mod layers;
mod limits;
mod npy;
mod open;
mod profile;
mod score;
mod serve;
#[cfg(test)]
mod tests;

pub use error::EngineError;
pub use greedy::greedy;
pub use interface::{EachToken, Engine};
pub use layers::{LayersError, layers};
pub use open::{Device, Options, open};
pub use profile::{PartTime, Profile};
pub use score::{IdsError, ScoreError, parse_ids, score};
pub use serve::{Open, ServeError, code_of, serve};
