//! A stream that notes when bytes arrived. Knows nothing of what they mean.

use std::io::{self, Read};

use crate::telemetry::SessionClock;

/// Takes the time at each return of `read`, before anything is made of the bytes: frames that arrive together have
/// the same stamp, however long it takes to decode them.
pub(super) struct Stamped<R> {
    inner: R,
    clock: SessionClock,
    arrived_ns: u64,
}

impl<R> Stamped<R> {
    pub fn new(inner: R, clock: SessionClock) -> Self {
        Stamped {
            inner,
            clock,
            arrived_ns: 0,
        }
    }

    /// When the bytes that were read last had arrived.
    pub fn arrived_ns(&self) -> u64 {
        self.arrived_ns
    }

    pub fn inner(&mut self) -> &mut R {
        &mut self.inner
    }
}

impl<R: Read> Read for Stamped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer);
        self.arrived_ns = self.clock.now_ns();
        read
    }
}
