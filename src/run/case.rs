//! One case: prepared, timed, checked, recorded.

use super::rules::rules;
use crate::{
    bench::{
        Case,
        memory::{Cpu, Gpu},
    },
    build_info::sha256_hex,
    device::{DeviceError, cuda::Arena, generator},
    measure::{Outcome, Sampled, Timed, sample},
    result::{
        Basis, CaseRecord, CaseStatus, Check, DeviceKind, DiscardReason, Inputs, Measurement,
        Peaks, Scale, TargetRecord, Timer, case_seed, derive,
    },
    telemetry::{Sampler, SessionClock},
};

/// Share of the session's highest SM clock below which a sample does not count.
const CLOCK_SHARE: f64 = 0.75;

/// Where cases run.
pub enum Place<'a> {
    /// A GPU and the memory that its cases share.
    Gpu {
        /// The GPU.
        gpu: &'a Gpu,
        /// Enough memory for every planned case.
        arena: Arena,
    },
    /// The processor.
    Cpu(&'a Cpu),
}

impl<'a> Place<'a> {
    fn prepare(&mut self, case: &Case, seed: u64) -> Result<Box<dyn Timed + 'a>, DeviceError> {
        match self {
            Self::Gpu { gpu, arena } => gpu.prepare(arena, case, seed),
            Self::Cpu(cpu) => cpu.prepare(case, seed),
        }
    }

    /// What cases run on.
    pub fn kind(&self) -> DeviceKind {
        match self {
            Self::Gpu { .. } => DeviceKind::Cuda,
            Self::Cpu(_) => DeviceKind::Cpu,
        }
    }
}

/// What all cases of a session share.
pub struct Bench<'a> {
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
    /// Runs `case`. Whatever goes wrong is in the record: what was measured before must not be lost with it.
    pub fn run(&self, case: &Case, place: &mut Place<'_>, first: bool) -> CaseRecord {
        let started_ns = self.clock.now_ns();
        let (status, reason, measurement) = match self.attempt(case, place, first) {
            Ok((None, Some(measurement))) => (CaseStatus::Measured, None, Some(measurement)),
            Ok((Some(wrong), _)) => (CaseStatus::Wrong, Some(wrong), None),
            Ok((None, None)) => {
                let reason = "every sample was discarded: the host or a slowdown was timed";
                (CaseStatus::Failed, Some(reason.into()), None)
            }
            Err(error) => (CaseStatus::Failed, Some(error.to_string()), None),
        };
        CaseRecord {
            id: case.id.clone(),
            family: case.family().into(),
            kind: case.kind,
            device: place.kind(),
            sizes: case.sizes.clone(),
            labels: case.labels.clone(),
            status,
            reason,
            started_ns,
            ended_ns: self.clock.now_ns(),
            measurement,
            generation: None,
        }
    }

    /// What is wrong with the outputs, and the measurement if there are samples.
    fn attempt(
        &self,
        case: &Case,
        place: &mut Place<'_>,
        first: bool,
    ) -> Result<(Option<String>, Option<Measurement>), DeviceError> {
        let seed = case_seed(self.seed, &case.id);
        // Sixteen hex digits, which this crate just made.
        let number = u64::from_str_radix(&seed, 16).unwrap_or_default();
        let mut work = place.prepare(case, number)?;
        let unfit = |from, to| self.unfit(self.clock.at(from), self.clock.at(to));
        let rules = rules(self.scale, case.cache, first);
        let sampled = sample(work.as_mut(), &rules, &unfit)?;
        let wrong = wrong_outputs(case, sampled.outcome);
        let timer = match place.kind() {
            DeviceKind::Cuda => Timer::CudaEvent,
            DeviceKind::Cpu => Timer::MonotonicRaw,
        };
        Ok((
            wrong,
            self.measurement(case, timer, sampled, work.as_ref(), seed),
        ))
    }

    /// What the machine's readings say against timing anything between two times of the session.
    fn unfit(&self, from_ns: u64, to_ns: u64) -> Option<DiscardReason> {
        if self.sampler.throttled_between(from_ns, to_ns) == Some(true) {
            return Some(DiscardReason::Throttled);
        }
        let (lowest, _) = self.sampler.sm_clock_range(from_ns, to_ns)?;
        let (_, highest) = self.sampler.sm_clock_range(0, to_ns)?;
        let dropped = (lowest as f64) < CLOCK_SHARE * highest as f64;
        dropped.then_some(DiscardReason::ClockDrop)
    }

    fn measurement(
        &self,
        case: &Case,
        timer: Timer,
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
            timer,
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

/// What is wrong with the outputs.
fn wrong_outputs(case: &Case, outcome: Outcome) -> Option<String> {
    if outcome.checked == 0 {
        return Some("no output was compared".into());
    }
    // NaN is not at most anything, and so is wrong.
    let right = outcome.max_error <= case.tolerance;
    (!right).then(|| {
        format!(
            "wrong outputs: error {} where {} passes, over {} words",
            outcome.max_error, case.tolerance, outcome.checked
        )
    })
}
