//! Why bytes are no frame of the protocol.

use std::io;

use thiserror::Error;

/// What is wrong with a frame, or with the stream that it came from.
#[derive(Debug, Error)]
pub enum ProtocolError {
    /// The stream failed.
    #[error("cannot pass on frames: {0}")]
    Io(#[from] io::Error),
    /// The stream ended inside a frame.
    #[error(
        "expected {expected} bytes of a frame's {part}, found the end of the stream after {found}"
    )]
    Truncated {
        /// Header or payload.
        part: &'static str,
        /// Bytes that were to come.
        expected: usize,
        /// Bytes that came.
        found: usize,
    },
    /// What came is no frame: text on standard output looks like this.
    #[error("expected a frame to begin with 53 42 and to hold 00 at byte 3, found {}", hexadecimal(.found))]
    Header {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// No frame of this direction has this kind.
    #[error("expected {expected}, found kind {found:#04x}")]
    Kind {
        /// Request or reply.
        expected: &'static str,
        /// The kind that came.
        found: u8,
    },
    /// The payload is longer than any of its direction.
    #[error("expected a payload of at most {most} bytes, found {found}")]
    TooLong {
        /// Bytes announced, or about to be sent.
        found: usize,
        /// Most bytes of a payload in this direction.
        most: usize,
    },
    /// The payload contradicts the frame's layout.
    #[error("expected {expected} in frame {frame}, found {found}")]
    Field {
        /// The frame's name.
        frame: &'static str,
        /// What belongs there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
}

impl ProtocolError {
    /// The next step, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            ProtocolError::Header { .. } => Some(
                "standard output carries frames alone; an engine prints everything else to standard error"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(" ")
}
