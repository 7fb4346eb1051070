//! Timing on a GPU: everything is queued behind a held stream, then released, and events stand around the timed work.

use super::Sample;
use crate::{
    device::cuda::{Cuda, CudaError, Event, HostFlag, Stream},
    kernels::Calibration,
};

/// Longest that the queue is held. A host that needs longer to queue one sample is what would be timed.
const HOLD_LIMIT_NS: u64 = 2_000_000_000;

/// Events and the gate of one stream.
pub struct GpuTimer {
    open: HostFlag,
    gave_up: HostFlag,
    begin: Event,
    end: Event,
}

impl GpuTimer {
    /// A timer.
    ///
    /// # Errors
    ///
    /// [`CudaError::Call`].
    pub fn new(cuda: &Cuda) -> Result<Self, CudaError> {
        Ok(Self {
            open: HostFlag::new(cuda)?,
            gave_up: HostFlag::new(cuda)?,
            begin: Event::new(cuda)?,
            end: Event::new(cuda)?,
        })
    }

    /// The device time of what `work` queues.
    ///
    /// # Errors
    ///
    /// Those of `work`; [`CudaError::Call`].
    pub fn time(
        &self,
        stream: &Stream,
        kernels: &Calibration,
        work: impl FnOnce() -> Result<(), CudaError>,
    ) -> Result<Sample, CudaError> {
        self.open.set(0);
        self.gave_up.set(0);
        kernels.hold_queue(stream, &self.open, &self.gave_up, HOLD_LIMIT_NS)?;
        let queued = stream
            .record(&self.begin)
            .and_then(|()| work())
            .and_then(|()| stream.record(&self.end));
        self.open.set(1);
        queued?;
        let duration_ns = self.begin.elapsed_ns(&self.end)?;
        Ok(Sample {
            duration_ns,
            host_bound: self.gave_up.get() != 0,
        })
    }
}
