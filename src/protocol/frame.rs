//! A frame: eight bytes of header and a payload of bounded length. Knows no kind.

use std::io::{self, Read};

use super::ProtocolError;

/// The version of the protocol that this program speaks.
pub const VERSION: u16 = 1;

/// Most ids of a prefill, and most tokens of a decode.
pub const MOST_IDS: usize = 1 << 20;

/// Most bytes of a payload to the engine: a prefill of the most ids.
pub const MOST_REQUEST_BYTES: usize = 4 * MOST_IDS + 4;

/// Most bytes of a payload from the engine.
pub const MOST_REPLY_BYTES: usize = 1 << 16;

const MAGIC: [u8; 2] = *b"SB";
const HEADER_BYTES: usize = 8;

/// A frame as it came: its kind and what follows the header.
#[derive(Debug)]
pub(super) struct Frame {
    pub kind: u8,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The next frame; none if the stream has ended before it.
    pub fn read(input: &mut impl Read, most: usize) -> Result<Option<Self>, ProtocolError> {
        let mut header = Vec::with_capacity(HEADER_BYTES);
        let found = take(input, HEADER_BYTES, &mut header)?;
        if found == 0 {
            return Ok(None);
        }
        let Ok([m0, m1, kind, reserved, l0, l1, l2, l3]) = <[u8; HEADER_BYTES]>::try_from(header)
        else {
            return Err(ProtocolError::Truncated {
                part: "header",
                expected: HEADER_BYTES,
                found,
            });
        };
        if [m0, m1, reserved] != [MAGIC[0], MAGIC[1], 0] {
            return Err(ProtocolError::Header {
                found: [m0, m1, kind, reserved],
            });
        }
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if length > most {
            return Err(ProtocolError::TooLong {
                found: length,
                most,
            });
        }
        let mut payload = Vec::new();
        let found = take(input, length, &mut payload)?;
        if found < length {
            return Err(ProtocolError::Truncated {
                part: "payload",
                expected: length,
                found,
            });
        }
        Ok(Some(Frame { kind, payload }))
    }

    /// The frame's bytes.
    pub fn bytes(&self, most: usize) -> Result<Vec<u8>, ProtocolError> {
        let found = self.payload.len();
        if found > most {
            return Err(ProtocolError::TooLong { found, most });
        }
        let mut bytes = Vec::with_capacity(HEADER_BYTES + found);
        bytes.extend(MAGIC);
        bytes.extend([self.kind, 0]);
        bytes.extend((found as u32).to_le_bytes());
        bytes.extend(&self.payload);
        Ok(bytes)
    }
}

/// Up to `count` bytes, fewer where the stream ends; room is made for what comes, not for what was announced.
fn take(input: &mut impl Read, count: usize, into: &mut Vec<u8>) -> io::Result<usize> {
    input.take(count as u64).read_to_end(into)
}
