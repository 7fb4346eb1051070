//! A token taken apart, as an engine reports it: times of its own clock, stored beside what the harness measured.

use super::ProtocolError;
use super::fields::{Fields, push_short};

/// What the parts of the model take of one token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stages {
    /// Tokens in front of it.
    pub position: u32,
    /// Time of a whole token, in nanoseconds.
    pub token_ns: u64,
    /// In the order of a token.
    pub parts: Vec<StagePart>,
}

/// One part of the model: the same stage of all layers that have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagePart {
    /// What it is.
    pub part: String,
    /// What computes it.
    pub kernel: String,
    /// Launches in a token.
    pub launches: u32,
    /// Bytes of weights, keys and values, and state that they read and write.
    pub bytes: u64,
    /// Time of the launches alone, one behind the other, in nanoseconds.
    pub ns: u64,
    /// Time of a token, or of the most of it that can be timed with and without the part, in nanoseconds.
    pub with_ns: u64,
    /// Time of the same without the part, in nanoseconds.
    pub without_ns: u64,
}

impl Stages {
    pub(super) fn push(&self, payload: &mut Vec<u8>) -> Result<(), ProtocolError> {
        payload.extend(self.position.to_le_bytes());
        payload.extend(self.token_ns.to_le_bytes());
        for part in &self.parts {
            push_short(payload, "stages", "a part", part.part.as_bytes())?;
            push_short(payload, "stages", "a kernel", part.kernel.as_bytes())?;
            payload.extend(part.launches.to_le_bytes());
            for number in [part.bytes, part.ns, part.with_ns, part.without_ns] {
                payload.extend(number.to_le_bytes());
            }
        }
        Ok(())
    }

    pub(super) fn read(payload: &[u8]) -> Result<Self, ProtocolError> {
        let mut fields = Fields::of("stages", payload);
        let (position, token_ns) = (fields.u32("a position")?, fields.u64("a time")?);
        let mut parts = Vec::new();
        while !fields.is_empty() {
            let part = fields.short("a part")?;
            let kernel = fields.short("a kernel")?;
            parts.push(StagePart {
                part: fields.text("a part", part)?,
                kernel: fields.text("a kernel", kernel)?,
                launches: fields.u32("a number of launches")?,
                bytes: fields.u64("a number of bytes")?,
                ns: fields.u64("a time")?,
                with_ns: fields.u64("a time")?,
                without_ns: fields.u64("a time")?,
            });
        }
        Ok(Self {
            position,
            token_ns,
            parts,
        })
    }
}
