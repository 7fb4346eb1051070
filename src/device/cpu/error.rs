//! What the CPU device refuses.

use thiserror::Error;

use crate::units::Bytes;

/// Why the CPU device could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CpuError {
    /// The threads could not be started.
    #[error("cannot start {threads} threads: {reason}")]
    Threads {
        /// Threads asked for.
        threads: usize,
        /// What the system said.
        reason: String,
    },
    /// The memory could not be had.
    #[error("cannot allocate {} for a buffer", Bytes(*.bytes))]
    OutOfMemory {
        /// Bytes asked for.
        bytes: u64,
    },
    /// A size or offset that is no whole number of 64-bit words.
    #[error("expected a positive multiple of 8 bytes as {what}, found {found}")]
    Unaligned {
        /// What it is.
        what: &'static str,
        /// Its value.
        found: u64,
    },
    /// Work that only a GPU does.
    #[error("the CPU device has no {what}")]
    Unsupported {
        /// What it lacks.
        what: &'static str,
    },
    /// A span that ends behind its buffer.
    #[error("expected spans within {available} bytes, found one that ends at {end}")]
    OutOfBounds {
        /// End of the span.
        end: u64,
        /// Bytes of the buffer.
        available: u64,
    },
    /// Two buffers that should have one length.
    #[error("expected a destination of {source_bytes} bytes, found one of {destination_bytes}")]
    LengthsDiffer {
        /// Bytes of the source.
        source_bytes: u64,
        /// Bytes of the destination.
        destination_bytes: u64,
    },
}

impl CpuError {
    /// The next step, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::OutOfMemory { .. } => {
                Some("close other programs, or run at the small scale".into())
            }
            Self::Threads { .. } => {
                Some("raise the limit on processes (`ulimit -u`), or ask for fewer threads".into())
            }
            _ => None,
        }
    }
}
