//! From a case to prepared work on a GPU.

use super::{
    super::{Case, Job},
    gpu::Gpu,
    gpu_calibration as calibration, gpu_decode as decode,
};
use crate::{
    device::{DeviceError, cuda::Arena},
    measure::Timed,
};

impl Gpu {
    /// Puts the inputs of `case` in place and computes its reference.
    ///
    /// # Errors
    ///
    /// What the device refuses.
    pub fn prepare<'a>(
        &'a self,
        arena: &mut Arena,
        case: &Case,
        seed: u64,
    ) -> Result<Box<dyn Timed + 'a>, DeviceError> {
        arena.clear();
        let work = match case.job {
            Job::ReadLoads | Job::ReadBulk | Job::Resident { .. } => {
                calibration::read(self, arena, case, seed)
            }
            Job::Write => calibration::write(self, arena, case, seed),
            Job::Copy | Job::DriverCopy => calibration::copy(self, arena, case, seed),
            Job::Chase { level, stride } => {
                calibration::chase(self, arena, case, seed, level, stride)
            }
            Job::Edge { edge, graph } => calibration::edge(self, arena, case, edge, graph),
            Job::Tensor {
                precision,
                iterations,
            } => calibration::tensor(self, arena, precision, iterations, seed),
            Job::KvRead { shape } => decode::kv_read(self, arena, case, seed, shape),
            Job::ExpertFetch(sets) => decode::expert_fetch(self, arena, case, seed, sets),
        }?;
        Ok(Box::new(work))
    }
}
