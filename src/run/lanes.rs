//! Engines beside each other: each runs its own case, step by step in turn, so that what the machine does in the meantime meets
//! all of them. One engine alone is the same with one lane.

use std::sync::atomic::Ordering;

use super::generation::{Failure, Generated, Generator, Loaded};
use super::timed_runs::Course;
use crate::{
    bench::{
        Case,
        e2e::{GenerationJob, Weights},
    },
    protocol::Offer,
    result::{CaseRecord, TargetRecord},
};

/// A case and the engine that runs it.
struct Lane<'a> {
    case: &'a Case<GenerationJob>,
    started_ns: u64,
    /// The runs so far; or why there are none, with the engine where it is of use all the same.
    state: Result<(Course<'a>, Loaded), (Failure, Option<Loaded>)>,
}

impl<'a> Lane<'a> {
    /// The next step, unless one before it failed.
    fn step(&mut self, step: impl FnOnce(&mut Course<'a>, &mut Loaded) -> Result<(), Failure>) {
        let Ok((course, loaded)) = &mut self.state else {
            return;
        };
        if let Err(failure) = step(course, loaded) {
            self.state = Err((failure, None));
        }
    }
}

impl Generator<'_> {
    /// Runs every case, model after model, until an interrupt; `done` of `total` cases of the session have ended.
    pub(super) fn all(
        &self,
        generations: &[(Weights, Vec<Case<GenerationJob>>)],
        done: usize,
        total: usize,
        target: &TargetRecord,
    ) -> Generated {
        let mut generated = Generated::default();
        for (weights, cases) in generations {
            // Loaded for the first case, and again after an engine that failed.
            let mut engines: [Option<Loaded>; 2] = [None, None];
            for together in cases.chunk_by(|_, next| next.job.beside) {
                if self.interrupt.load(Ordering::SeqCst) {
                    return generated;
                }
                let index = done + generated.cases.len();
                if let Some(first) = together.first() {
                    self.observer.case_started(index, total, &first.id);
                }
                let mut lanes = Vec::new();
                for case in together {
                    let engine = engines[usize::from(case.job.beside)].take();
                    lanes.push(self.lane(case, engine, (weights, cases), &mut generated));
                }
                self.run_in_turn(&mut lanes);
                for lane in lanes {
                    let (case, started_ns) = (lane.case, lane.started_ns);
                    let (ended, engine) = self.ended(lane, target);
                    engines[usize::from(case.job.beside)] = engine;
                    if self.interrupt.load(Ordering::SeqCst) && ended.is_err() {
                        return generated;
                    }
                    let record =
                        ended.unwrap_or_else(|failure| self.without(case, started_ns, failure));
                    self.observer.case_ended(&record);
                    generated.cases.push(record);
                }
            }
        }
        generated
    }

    /// A case ready to run, with `engine` or one that is loaded now.
    fn lane<'a>(
        &self,
        case: &'a Case<GenerationJob>,
        engine: Option<Loaded>,
        (weights, cases): (&Weights, &[Case<GenerationJob>]),
        generated: &mut Generated,
    ) -> Lane<'a> {
        let started_ns = self.clock.now_ns();
        let loaded = match engine {
            Some(loaded) => Ok(loaded),
            None => self.load(weights, cases, case.job.beside),
        };
        let state = match loaded {
            Ok(loaded) => {
                generated.note(&loaded);
                let filled = case.job.filled_tokens;
                match filled > 0 && !loaded.subject.offers(Offer::Fill) {
                    true => Err((Failure::cannot_fill(filled), Some(loaded))),
                    false => match self.begin(case, started_ns, &loaded) {
                        Ok(course) => Ok((course, loaded)),
                        Err(failure) => Err((failure, Some(loaded))),
                    },
                }
            }
            Err(failure) => Err((failure, None)),
        };
        Lane {
            case,
            started_ns,
            state,
        }
    }

    fn run_in_turn(&self, lanes: &mut [Lane<'_>]) {
        for lane in lanes.iter_mut() {
            lane.step(|course, loaded| self.warm_up(course, loaded));
        }
        let runs = lanes.iter().map(|lane| lane.case.job.runs).max();
        for run in 0..runs.unwrap_or(0) as usize {
            for lane in lanes.iter_mut() {
                lane.step(|course, loaded| self.timed_run(course, loaded, run));
            }
        }
        for lane in lanes.iter_mut() {
            lane.step(|course, loaded| self.repeat(course, loaded));
        }
    }

    /// What became of a case, and its engine if that is still of use.
    fn ended(
        &self,
        lane: Lane<'_>,
        target: &TargetRecord,
    ) -> (Result<CaseRecord, Failure>, Option<Loaded>) {
        let (course, mut loaded) = match lane.state {
            Ok(there) => there,
            Err((failure, loaded)) => return (Err(failure), loaded),
        };
        let mut record = match self.end(&course, &loaded, target) {
            Ok(record) => record,
            Err(failure) => return (Err(failure), None),
        };
        let usable = self.add_stages(lane.case, &mut loaded, &mut record);
        (Ok(record), usable.then_some(loaded))
    }
}
