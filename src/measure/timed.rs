//! What can be timed and checked.

use crate::device::DeviceError;

/// One timing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Time of all operations of the sample.
    pub duration_ns: u64,
    /// Whether the device waited for the host, so that the time is not the device's.
    pub host_bound: bool,
}

/// What a comparison with the reference found.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Outcome {
    /// Output words compared.
    pub checked: u64,
    /// Error of the case's comparison.
    pub max_error: f64,
}

/// Work that is prepared: its inputs are in place, its reference is computed.
pub trait Timed {
    /// Poisons the outputs, then runs and times the operations of one sample.
    ///
    /// # Errors
    ///
    /// What the device refuses.
    fn run(&mut self) -> Result<Sample, DeviceError>;

    /// Compares the outputs of the last [`run`](Timed::run) with the reference.
    ///
    /// # Errors
    ///
    /// What the device refuses.
    fn check(&mut self) -> Result<Outcome, DeviceError>;

    /// Reference and outputs of the last checked sample, as little-endian words in order.
    fn outputs(&self) -> (Vec<u8>, Vec<u8>);
}
