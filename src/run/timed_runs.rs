//! The timed runs of one generation: what is asked, what is compared, what becomes of it in the record.

use super::generation::{Failure, Generator, Loaded};
use crate::{
    bench::{
        Case,
        e2e::{GenerationJob, prompt_record, prompt_seed},
    },
    prompt::Prompt,
    result::{
        Basis, CaseRecord, CaseStatus, Check, FindingRecord, GenerationFigures, GenerationRecord,
        GenerationRun, Inputs, Measurement, Peaks, Reading, RoutingRecord, Stopping,
        StoppingReason, StoppingRule, TargetRecord, Timer, Warmup, WarmupReason, case_seed, derive,
        ids_sha256, seed_id,
    },
    subject::{Finding, Generation, Task},
};

/// Prompts up to this length are recorded id by id.
const INLINE_IDS: usize = 4096;
/// Bound on all runs of a case together that the record states; a hung engine is caught long before.
const MOST_NS: u64 = 24 * 3600 * 1_000_000_000;

/// A case under way with one engine.
pub(super) struct Course<'a> {
    case: &'a Case<GenerationJob>,
    started_ns: u64,
    /// Seed of the case, 16 hex digits.
    seed: String,
    /// One for each run, so that nothing an engine keeps of an earlier one helps it.
    prompts: Vec<Prompt>,
    /// That of the untimed run in front.
    other: Prompt,
    warmup: Warmup,
    /// Begin of the first timed run and end of the last so far.
    sampled_ns: Option<(u64, u64)>,
    observed: Vec<Generation>,
    /// The first run's prompt, once more.
    again: Option<Generation>,
}

/// What `case` generates, step by step. An engine that does other than generate is of no use afterwards.
impl Generator<'_> {
    /// Makes the prompts.
    ///
    /// # Errors
    ///
    /// As the prompts' source.
    pub(super) fn begin<'a>(
        &self,
        case: &'a Case<GenerationJob>,
        started_ns: u64,
        loaded: &Loaded,
    ) -> Result<Course<'a>, Failure> {
        let job = &case.job;
        let seed = case_seed(self.seed, seed_id(&case.id, &case.labels));
        let prompt = |run| {
            let prompts = &loaded.prompts;
            prompts.prompt(prompt_seed(&seed, run), job.prompt_tokens)
        };
        let prompts = (0..job.runs).map(prompt).collect::<Result<_, _>>()?;
        Ok(Course {
            case,
            started_ns,
            prompts,
            other: prompt(job.runs)?,
            seed,
            warmup: Warmup {
                samples: job.new_tokens,
                duration_ns: 0,
                reason: WarmupReason::Fixed,
            },
            sampled_ns: None,
            observed: Vec::new(),
            again: None,
        })
    }

    /// The run that warms up, behind a prompt of its own.
    pub(super) fn warm_up(&self, course: &mut Course, loaded: &mut Loaded) -> Result<(), Failure> {
        let begin = self.clock.now_ns();
        self.generate(course.case, &course.other, loaded)?;
        course.warmup.duration_ns = self.clock.now_ns() - begin;
        Ok(())
    }

    /// Timed run number `run`, from 0 on.
    pub(super) fn timed_run(
        &self,
        course: &mut Course,
        loaded: &mut Loaded,
        run: usize,
    ) -> Result<(), Failure> {
        let Some(prompt) = course.prompts.get(run) else {
            return Err(too_few());
        };
        let begin = self.clock.now_ns();
        let observed = self.generate(course.case, prompt, loaded)?;
        course.observed.push(observed);
        let (first, _) = course.sampled_ns.unwrap_or((begin, begin));
        course.sampled_ns = Some((first, self.clock.now_ns()));
        Ok(())
    }

    /// Greedy decoding gives the same behind the same prompt; not timed.
    pub(super) fn repeat(&self, course: &mut Course, loaded: &mut Loaded) -> Result<(), Failure> {
        let (Some(prompt), Some(first)) = (course.prompts.first(), course.observed.first()) else {
            return Err(too_few());
        };
        let again = self.generate(course.case, prompt, loaded)?;
        if let Some(reason) = difference(first, &again) {
            return Err(Failure {
                status: CaseStatus::Wrong,
                reason,
            });
        }
        course.again = Some(again);
        Ok(())
    }

    /// The record of a case whose runs are all there.
    pub(super) fn end(
        &self,
        course: &Course,
        loaded: &Loaded,
        target: &TargetRecord,
    ) -> Result<CaseRecord, Failure> {
        let case = course.case;
        let generation = record(case, loaded, course)?;
        let measurement = measurement(&generation, course, target)?;
        Ok(CaseRecord {
            id: case.id.clone(),
            family: case.family().into(),
            kind: case.kind,
            device: self.device,
            sizes: case.sizes.clone(),
            labels: case.labels.clone(),
            status: CaseStatus::Measured,
            reason: None,
            started_ns: course.started_ns,
            ended_ns: self.clock.now_ns(),
            measurement: Some(measurement),
            generation: Some(generation),
        })
    }

    fn generate(
        &self,
        case: &Case<GenerationJob>,
        prompt: &Prompt,
        loaded: &mut Loaded,
    ) -> Result<Generation, Failure> {
        let job = &case.job;
        let task = Task {
            filled: u32::try_from(job.filled_tokens).unwrap_or(u32::MAX),
            prompt: &prompt.ids,
            tokens: u32::try_from(job.new_tokens).unwrap_or(u32::MAX),
            traced: &job.traced(),
            fastest_token_ns: self.fastest_token_ns(case),
            interrupt: self.interrupt,
        };
        Ok(loaded.subject.generate(&task)?)
    }

    /// The least time that a token can take, where its weights cannot stay in a cache.
    fn fastest_token_ns(&self, case: &Case<GenerationJob>) -> Option<u64> {
        let bytes = case.bytes_per_operation();
        let cold = bytes >= 4 * case.rotation.cache_bytes;
        let gbps = self.read_gbps.filter(|_| cold)?;
        Some((bytes as f64 / gbps) as u64)
    }
}

fn measurement(
    generation: &GenerationRecord,
    course: &Course,
    target: &TargetRecord,
) -> Result<Measurement, Failure> {
    let case = course.case;
    let again = course.again.as_ref().ok_or_else(too_few)?;
    let (begin, end) = course.sampled_ns.ok_or_else(too_few)?;
    let samples_ns: Vec<u64> = generation
        .runs
        .iter()
        .flat_map(GenerationRun::gaps_ns)
        .collect();
    let basis = Basis {
        kind: case.kind,
        labels: &case.labels,
        work: case.work,
        operations_per_sample: case.operations_per_sample,
        samples_ns: &samples_ns,
    };
    // The session's peaks are known at its end, when all derived figures are computed again.
    let peaks = Peaks::missing("the session goes on");
    let derived = derive(&basis, &peaks, target).ok_or_else(too_few)?;
    Ok(Measurement {
        timer: Timer::MonotonicRaw,
        cache: case.cache,
        operations_per_sample: case.operations_per_sample,
        work: case.work,
        rotation: case.rotation,
        inputs: Inputs {
            generator: generation.prompt.generator.clone(),
            seed: course.seed.clone(),
        },
        warmup: course.warmup,
        stopping: fixed(generation, end - begin),
        discards: Vec::new(),
        samples_ns,
        check: Check {
            reference: case.reference.into(),
            comparison: case.comparison,
            tolerance: case.tolerance,
            poisoned: false,
            outputs_checked: again.ids.len() as u64,
            max_error: 0.0,
            expected_sha256: generation
                .runs
                .first()
                .map(|run| run.ids_sha256.clone())
                .unwrap_or_default(),
            observed_sha256: ids_sha256(&again.ids),
        },
        derived,
    })
}

fn too_few() -> Failure {
    Failure {
        status: CaseStatus::Failed,
        reason: "fewer than two tokens came, which have no time between them".to_owned(),
    }
}

/// Where a repetition differs from the run that it repeats.
fn difference(run: &Generation, again: &Generation) -> Option<String> {
    if run.ids != again.ids {
        let same = run.ids.iter().zip(&again.ids).take_while(|(a, b)| a == b);
        return Some(format!(
            "the prompt of run 0 gave other ids when it was repeated, from token {} on",
            same.count()
        ));
    }
    (run.routing != again.routing)
        .then(|| "the ids of run 0 took other experts when it was repeated".to_owned())
}

/// As many samples as were planned.
fn fixed(generation: &GenerationRecord, duration_ns: u64) -> Stopping {
    let samples = generation
        .runs
        .iter()
        .map(|run| run.gaps_ns().count() as u64);
    let samples = samples.sum();
    Stopping {
        rule: StoppingRule {
            relative_error: 0.01,
            min_samples: samples,
            max_samples: samples,
            min_time_ns: 0,
            max_time_ns: MOST_NS,
        },
        reason: StoppingReason::Fixed,
        duration_ns,
    }
}

fn record(
    case: &Case<GenerationJob>,
    loaded: &Loaded,
    course: &Course,
) -> Result<GenerationRecord, Failure> {
    let prompt = course.prompts.first().ok_or_else(too_few)?;
    let observed = course.prompts.iter().zip(&course.observed);
    let runs: Vec<GenerationRun> = observed
        .map(|(prompt, observed)| run(prompt, observed))
        .collect();
    let tokens = prompt.ids.len() as u64;
    let derived = GenerationFigures::of(tokens, &runs, loaded.weights.experts);
    Ok(GenerationRecord {
        model: case.job.model.clone(),
        weights_sha256: loaded.weights.sha256.clone(),
        engine_sha256: loaded.engine.program_sha256.clone(),
        prompt: prompt_record(prompt),
        witness: case.job.witness,
        derived: derived.ok_or_else(too_few)?,
        runs,
        // The session's readings are known at its end.
        resources: None,
        stages: None,
    })
}

fn run(prompt: &Prompt, observed: &Generation) -> GenerationRun {
    let finding = |finding: &Finding| FindingRecord {
        name: finding.name().to_owned(),
        message: finding.to_string(),
    };
    let token = |(position, experts): &(u32, Vec<Vec<u16>>)| RoutingRecord {
        position: u64::from(*position),
        experts: experts.clone(),
    };
    GenerationRun {
        prompt_ids: match prompt.ids.len() <= INLINE_IDS {
            true => Reading::of(prompt.ids.clone()),
            false => Reading::missing("the generator gives them again from the case's seed"),
        },
        prompt_sha256: prompt.ids_sha256.clone(),
        ids_sha256: ids_sha256(&observed.ids),
        ids: observed.ids.clone(),
        routing: observed.routing.iter().map(token).collect(),
        sent_ns: observed.sent_ns,
        token_ns: observed
            .stamps_ns
            .iter()
            .map(|stamp| stamp.saturating_sub(observed.sent_ns))
            .collect(),
        self_reported: observed.self_reported.clone(),
        findings: observed.findings.iter().map(finding).collect(),
    }
}
