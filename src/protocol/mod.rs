//! Frames between the harness and an engine, over the engine's standard input and output. Knows no model and no clock.

mod error;
mod fields;
mod frame;
mod reply;
mod request;
mod stages;
#[cfg(test)]
mod tests;

pub use error::ProtocolError;
pub use frame::{MOST_IDS, MOST_REPLY_BYTES, MOST_REQUEST_BYTES, VERSION};
pub use reply::{ErrorCode, Loaded, Offer, Reply, Routing, Statistics};
pub use request::Request;
pub use stages::{StagePart, Stages};
