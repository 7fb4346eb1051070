//! One case: prepared, timed, checked, recorded.

use super::{device::Opened, rules::rules};
use crate::{
    bench::Case,
    build_info::sha256_hex,
    device::{DeviceError, cuda::Arena, generator},
    measure::{Sampled, Timed, sample},
    result::{
        Basis, CaseRecord, CaseStatus, Check, DeviceKind, DiscardReason, Inputs, Measurement,
        Peaks, Scale, TargetRecord, Timer, case_seed, derive,
    },
    telemetry::{Sampler, SessionClock},
};

/// What all cases of a session share.
pub struct Bench<'a> {
    /// The device.
    pub device: &'a Opened,
    /// Size of the inputs.
    pub scale: Scale,
    /// Seed of the session, 16 hex digits.
    pub seed: &'a str,
    /// What the session runs for.
    pub target: &'a TargetRecord,
    /// The session's clock.
    pub clock: SessionClock,
    /// The machine's readings.
    pub sampler: &'a Sampler,
}

impl Bench<'_> {
    /// Runs `case` in the arena, which a GPU needs.
    ///
    /// # Errors
    ///
    /// What the device refuses.
    pub fn run(
        &self,
        case: &Case,
        arena: Option<&mut Arena>,
        first: bool,
    ) -> Result<CaseRecord, DeviceError> {
        let started_ns = self.clock.now_ns();
        let seed = case_seed(self.seed, &case.id);
        // Sixteen hex digits, which this crate just made.
        let number = u64::from_str_radix(&seed, 16).unwrap_or_default();
        let mut work = match (self.device, arena) {
            (Opened::Gpu(gpu), Some(arena)) => gpu.prepare(arena, case, number)?,
            (Opened::Cpu(cpu), _) => cpu.prepare(case, number)?,
            (Opened::Gpu(gpu), None) => {
                gpu.prepare(&mut gpu.arena(case.memory_bytes)?, case, number)?
            }
        };
        let unfit = |from, to| {
            self.sampler
                .throttled_between(self.clock.at(from), self.clock.at(to))
                .unwrap_or(false)
                .then_some(DiscardReason::Throttled)
        };
        let sampled = sample(work.as_mut(), &rules(self.scale, first), &unfit)?;
        let reason = failure(case, &sampled);
        let measurement = self.measurement(case, sampled, work.as_ref(), seed);
        let measured = reason.is_none();
        Ok(CaseRecord {
            id: case.id.clone(),
            family: case.family().into(),
            kind: case.kind,
            device: match self.device {
                Opened::Gpu(_) => DeviceKind::Cuda,
                Opened::Cpu(_) => DeviceKind::Cpu,
            },
            sizes: case.sizes.clone(),
            labels: case.labels.clone(),
            status: match measured {
                true => CaseStatus::Measured,
                false => CaseStatus::Failed,
            },
            reason,
            started_ns,
            ended_ns: self.clock.now_ns(),
            measurement: measurement.filter(|_| measured),
        })
    }

    fn measurement(
        &self,
        case: &Case,
        sampled: Sampled,
        work: &dyn Timed,
        seed: String,
    ) -> Option<Measurement> {
        let (expected, observed) = work.outputs();
        let basis = Basis {
            kind: case.kind,
            labels: &case.labels,
            work: case.work,
            operations_per_sample: case.operations_per_sample,
            samples_ns: &sampled.samples_ns,
        };
        // The session's peaks are known at its end, when all derived figures are computed again.
        let derived = derive(&basis, &Peaks::missing("the session goes on"), self.target)?;
        Some(Measurement {
            timer: match self.device {
                Opened::Gpu(_) => Timer::CudaEvent,
                Opened::Cpu(_) => Timer::MonotonicRaw,
            },
            cache: case.cache,
            operations_per_sample: case.operations_per_sample,
            work: case.work,
            rotation: case.rotation,
            inputs: Inputs {
                generator: generator::NAME.into(),
                seed,
            },
            warmup: sampled.warmup,
            stopping: sampled.stopping,
            discards: sampled.discards,
            samples_ns: sampled.samples_ns,
            check: Check {
                reference: case.reference.into(),
                comparison: case.comparison,
                tolerance: case.tolerance,
                poisoned: true,
                outputs_checked: sampled.outcome.checked,
                max_error: sampled.outcome.max_error,
                expected_sha256: sha256_hex(&expected),
                observed_sha256: sha256_hex(&observed),
            },
            derived,
        })
    }
}

/// Why the case does not count.
fn failure(case: &Case, sampled: &Sampled) -> Option<String> {
    let outcome = sampled.outcome;
    if outcome.checked == 0 {
        return Some("no output was compared".into());
    }
    // Written so that NaN fails.
    let right = outcome.max_error <= case.tolerance;
    if !right {
        return Some(format!(
            "wrong outputs: error {} where {} passes, over {} words",
            outcome.max_error, case.tolerance, outcome.checked
        ));
    }
    sampled
        .samples_ns
        .is_empty()
        .then(|| format!("all {} samples were discarded", sampled.discards.len()))
}
