//! Engines: a model file opened on a device, taking token ids and giving logits. Knows no text, no clock and no protocol.

pub mod cpu;
mod error;
mod interface;
mod open;

pub use error::EngineError;
pub use interface::Engine;
pub use open::{Device, Options, open};
