//! A token taken apart by the engine that was just timed: its own word, kept beside what the harness measured.

use super::generation::{Failure, Generator, Loaded};
use crate::{
    bench::{Case, e2e::GenerationJob},
    protocol::{StagePart, Stages},
    result::{CaseRecord, DeviceKind, Reading, StagePartFigures, StagePartRecord, StagesRecord},
};

impl Generator<'_> {
    /// Adds the stages of a token to the record of a case that was measured, if the session is to have them. Whether the
    /// engine is still of use: what was measured stands, whatever becomes of it.
    pub(super) fn add_stages(
        &self,
        case: &Case<GenerationJob>,
        loaded: &mut Loaded,
        record: &mut CaseRecord,
    ) -> bool {
        let Some(generation) = record.generation.as_mut().filter(|_| self.request.stages) else {
            return true;
        };
        let (stages, usable) = match self.stages(case.job.half_way(), loaded) {
            Ok(stages) => (stages, true),
            Err(failure) => (Reading::missing(failure.reason), false),
        };
        generation.stages = Some(stages);
        record.ended_ns = self.clock.now_ns();
        usable
    }

    fn stages(&self, depth: u64, loaded: &mut Loaded) -> Result<Reading<StagesRecord>, Failure> {
        if self.device != DeviceKind::Cuda {
            let reason = "stages are kernels on a GPU, and this session runs on the processor";
            return Ok(Reading::missing(reason));
        }
        let position = u32::try_from(depth).unwrap_or(u32::MAX);
        let Some(stages) = loaded.subject.stages(position, self.interrupt)? else {
            let name = &loaded.engine.name;
            return Ok(Reading::missing(format!(
                "{name} does not offer to take a token apart"
            )));
        };
        let stated = u64::from(stages.position);
        let record = table(stages);
        let fault = match stated == depth {
            true => record.fault(),
            false => Some(format!("it is of {stated} tokens, not of {depth}")),
        };
        Ok(match fault {
            None => Reading::of(record),
            Some(fault) => Reading::missing(format!("the engine's table is none: {fault}")),
        })
    }
}

fn table(stages: Stages) -> StagesRecord {
    let part = |part: StagePart| StagePartRecord {
        part: part.part,
        kernel: part.kernel,
        launches: u64::from(part.launches),
        bytes: part.bytes,
        ns: part.ns,
        with_ns: part.with_ns,
        without_ns: part.without_ns,
        derived: StagePartFigures::none(),
    };
    let parts = stages.parts.into_iter().map(part).collect();
    StagesRecord::new(u64::from(stages.position), stages.token_ns, parts)
}
