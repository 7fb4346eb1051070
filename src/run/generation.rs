//! Family `e2e` of a session: weights made and read, an engine started beside, prompts sent, arrivals recorded.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Observer, Request, own_engine};
use crate::{
    bench::{
        Case,
        e2e::{
            GenerationJob, Prompts, PromptsError, Store, Weights, WeightsError, differing, digest,
        },
    },
    gguf::{Gguf, Map},
    model::{Scale, synth},
    prompt::PromptError,
    result::{CaseRecord, CaseStatus, DeviceKind, EngineRecord, Reading, WeightsRecord},
    subject::{
        Fault, Limits, LlamaOptions, LlamaServer, ModelShape, Native, NativeOptions, Subject,
        SubjectError,
    },
    telemetry::SessionClock,
};

/// The peer that has a driver of its own, by the name of its program.
const LLAMA_SERVER: &str = "llama-server";

/// Whether a program is measured by that endpoint, not by the protocol.
pub(super) fn is_llama_server(program: &Path) -> bool {
    program.file_stem().is_some_and(|name| name == LLAMA_SERVER)
}
/// More layers than any model has.
const ALL_LAYERS: u32 = 999;

/// Why there are no figures.
pub(super) struct Failure {
    pub(super) status: CaseStatus,
    pub(super) reason: String,
}

impl Failure {
    fn infrastructure(reason: impl ToString) -> Self {
        Self {
            status: CaseStatus::InfraError,
            reason: reason.to_string(),
        }
    }
}

impl Failure {
    /// Of an engine that does not offer it.
    pub(super) fn cannot_fill(tokens: u64) -> Self {
        Self {
            status: CaseStatus::Skipped,
            reason: format!(
                "the engine does not offer to make up {tokens} tokens of context; --fill prompt has it read them"
            ),
        }
    }
}

impl From<WeightsError> for Failure {
    fn from(error: WeightsError) -> Self {
        Self::infrastructure(error)
    }
}

impl From<PromptsError> for Failure {
    fn from(error: PromptsError) -> Self {
        Self::infrastructure(error)
    }
}

impl From<PromptError> for Failure {
    fn from(error: PromptError) -> Self {
        Self::infrastructure(error)
    }
}

impl From<SubjectError> for Failure {
    fn from(error: SubjectError) -> Self {
        let status = match error.fault() {
            Fault::Engine => CaseStatus::Invalid,
            Fault::Infrastructure => CaseStatus::InfraError,
        };
        Self {
            status,
            reason: format!("{}: {error}", error.name()),
        }
    }
}

/// What all generations of a session share.
pub(super) struct Generator<'a> {
    pub(super) request: &'a Request,
    pub(super) clock: SessionClock,
    /// Seed of the session, 16 hex digits.
    pub(super) seed: &'a str,
    /// Where the engine is to compute.
    pub(super) device: DeviceKind,
    /// Read bandwidth measured in this session, in 10^9 B/s.
    pub(super) read_gbps: Option<f64>,
    pub(super) observer: &'a dyn Observer,
    pub(super) interrupt: &'a AtomicBool,
}

/// One model's weights with an engine that has loaded them.
pub(super) struct Loaded {
    pub(super) weights: WeightsRecord,
    pub(super) engine: EngineRecord,
    pub(super) subject: Box<dyn Subject>,
    pub(super) prompts: Prompts,
}

impl Generated {
    pub(super) fn note(&mut self, loaded: &Loaded) {
        if !self.engines.contains(&loaded.engine) {
            self.engines.push(loaded.engine.clone());
        }
        if !self.weights.contains(&loaded.weights) {
            self.weights.push(loaded.weights.clone());
        }
    }
}

/// What became of all generations of a session.
#[derive(Default)]
pub(super) struct Generated {
    pub(super) cases: Vec<CaseRecord>,
    pub(super) engines: Vec<EngineRecord>,
    pub(super) weights: Vec<WeightsRecord>,
}

impl Generator<'_> {
    /// Has the engine, or the one beside it, load a model while the harness reads the same file.
    ///
    /// # Errors
    ///
    /// Whatever keeps the model from being measured.
    pub(super) fn load(
        &self,
        weights: &Weights,
        cases: &[Case<GenerationJob>],
        beside: bool,
    ) -> Result<Loaded, Failure> {
        let path = self.file(weights)?;
        let file = Gguf::open(&path).map_err(Failure::infrastructure)?;
        let (record, subject) = std::thread::scope(|scope| {
            let read = scope.spawn(|| self.read(weights, &path, &file));
            let subject = self.start(weights, &path, cases, beside);
            (read.join(), subject)
        });
        let record =
            record.map_err(|_| Failure::infrastructure("reading the weights failed"))??;
        let corpus = self.request.corpus.as_deref();
        let prompts = Prompts::new(&file, record.vocabulary, corpus)?;
        let (driver, subject) = subject?;
        let launch = subject.launch();
        let engine = EngineRecord {
            driver: driver.to_owned(),
            name: launch.name.clone(),
            program_sha256: launch.program_sha256.clone(),
            arguments: launch.arguments.clone(),
            environment: launch.environment.clone(),
        };
        Ok(Loaded {
            weights: record,
            engine,
            subject,
            prompts,
        })
    }

    /// The weights' file, made if need be.
    fn file(&self, weights: &Weights) -> Result<PathBuf, Failure> {
        let Some(scale) = weights.scale() else {
            let path = weights.path().map(Path::to_owned);
            return path.ok_or_else(|| Failure::infrastructure("there is no weights file"));
        };
        let what = format!("making synthetic weights of {}", weights.model.name);
        let progress = |bytes| {
            self.observer.working(&what, bytes, weights.file_bytes);
            match self.interrupt.load(Ordering::Relaxed) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        Ok(Store::open()?.file(weights, scale, progress)?)
    }

    /// Reads the whole file and says which pin it is.
    fn read(
        &self,
        weights: &Weights,
        path: &Path,
        file: &Gguf<Map>,
    ) -> Result<WeightsRecord, Failure> {
        let what = format!("hashing the weights of {}", weights.model.name);
        let progress = |bytes| self.observer.working(&what, bytes, weights.file_bytes);
        let mut record = weights.record(digest(file, &progress));
        if record.pin.value().is_some() {
            return Ok(record);
        }
        if weights.scale().is_some() {
            Store::open()?.discard(path);
            let reason =
                "the synthetic file in the cache was damaged and has been removed: run again";
            return Err(Failure::infrastructure(reason));
        }
        record.pin = Reading::missing(self.difference(weights, file));
        Ok(record)
    }

    /// How a file differs from every pin.
    fn difference(&self, weights: &Weights, file: &Gguf<Map>) -> String {
        let none = "no pin of the model's configuration has this digest";
        if !synth::is_synthetic(file.metadata()) {
            return format!(
                "{none}; published files are pinned as a whole, so no tensor can be named"
            );
        }
        let full =
            weights.architecture.layers().len() as u64 == u64::from(weights.model.layer_count);
        let scale = if full { Scale::Full } else { Scale::Tiny };
        match weights.plan(scale) {
            Ok(plan) => {
                let names = differing(file, &plan);
                let (shown, more) = names.split_at(names.len().min(8));
                let more = match more.len() {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                format!(
                    "{none}; other than in the pinned synthetic file are {}{more}",
                    shown.join(", ")
                )
            }
            Err(error) => format!("{none}; {error}"),
        }
    }

    fn start(
        &self,
        weights: &Weights,
        path: &Path,
        cases: &[Case<GenerationJob>],
        beside: bool,
    ) -> Result<(&'static str, Box<dyn Subject>), SubjectError> {
        let longest = |filled: bool| {
            let cases = cases.iter().map(|case| &case.job);
            let cases = cases.filter(|job| filled || job.filled_tokens == 0);
            let longest = cases.map(GenerationJob::context).max().unwrap_or(1);
            u32::try_from(longest).unwrap_or(u32::MAX)
        };
        // Whoever cannot fill a context need not make room for one.
        let context = longest(false);
        let named = match beside {
            true => &self.request.beside,
            false => &self.request.engine,
        };
        let program = match named {
            Some(program) => program.clone(),
            None => own_engine::program(),
        };
        let (model, shape) = (path.to_owned(), ModelShape::from(&weights.architecture));
        let limits = Limits::default();
        let on_gpu = self.device == DeviceKind::Cuda;
        Ok(match is_llama_server(&program) {
            true => {
                let options = LlamaOptions {
                    program,
                    arguments: Vec::new(),
                    model,
                    gpu_layers: if on_gpu { ALL_LAYERS } else { 0 },
                    context,
                    shape,
                    limits,
                };
                let server = LlamaServer::start(&options, self.clock, self.interrupt)?;
                ("llama_server", Box::new(server))
            }
            false => {
                let options = NativeOptions {
                    program,
                    arguments: self.arguments(),
                    model,
                    device: if on_gpu { "cuda" } else { "cpu" }.to_owned(),
                    context,
                    context_filled: longest(true),
                    shape,
                    limits,
                };
                let native = Native::start(&options, self.clock, self.interrupt)?;
                ("native", Box::new(native))
            }
        })
    }

    /// Of an engine that speaks the protocol.
    fn arguments(&self) -> Vec<String> {
        let limit = self.request.memory_limit.iter();
        let limit = limit.flat_map(|bytes| ["--memory-limit".to_owned(), bytes.to_string()]);
        std::iter::once("serve".to_owned()).chain(limit).collect()
    }

    /// A case without figures.
    pub(super) fn without(
        &self,
        case: &Case<GenerationJob>,
        started_ns: u64,
        failure: Failure,
    ) -> CaseRecord {
        CaseRecord {
            id: case.id.clone(),
            family: case.family().into(),
            kind: case.kind,
            device: self.device,
            sizes: case.sizes.clone(),
            labels: case.labels.clone(),
            status: failure.status,
            reason: Some(failure.reason),
            started_ns,
            ended_ns: self.clock.now_ns(),
            measurement: None,
            generation: None,
        }
    }
}
