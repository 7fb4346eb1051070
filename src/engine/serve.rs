//! A session of the protocol, served by any engine: requests in, replies out. Knows no process and no terminal.

use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use thiserror::Error;

use crate::protocol::{
    ErrorCode, Loaded, Offer, ProtocolError, Reply, Request, StagePart, Stages, Statistics, VERSION,
};

use super::{Device, Engine, EngineError, Options, Profile, limits};

/// How a session opens a model: [`super::open()`], or what a test puts in its place.
pub type Open<'a> =
    &'a mut dyn FnMut(Device, &Path, Options) -> Result<Box<dyn Engine>, EngineError>;

/// Why a session ended before the harness ended it. The harness has been told, if it still listens.
#[derive(Debug, Error)]
pub enum ServeError {
    /// What came is no request.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The model could not be opened, or a token not be taken.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The harness speaks another version.
    #[error("expected version {VERSION} of the protocol, found {found}")]
    Version {
        /// The harness's version.
        found: u16,
    },
    /// No device has this name.
    #[error("expected a device cpu or cuda, found {found}")]
    Device {
        /// The name asked for.
        found: String,
    },
    /// A request came too early.
    #[error("expected {expected} before {found}")]
    Order {
        /// The request that was to come first.
        expected: &'static str,
        /// The request that came.
        found: &'static str,
    },
    /// The reply could not be passed on.
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
}

impl ServeError {
    /// The next step, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            ServeError::Protocol(error) => error.hint(),
            ServeError::Engine(error) => error.hint(),
            ServeError::Version { .. } => {
                Some("build the harness and the engine from compatible sources".to_owned())
            }
            _ => None,
        }
    }

    /// The code that the harness is told, and that the process ends with.
    pub fn code(&self) -> ErrorCode {
        match self {
            ServeError::Engine(error) => code_of(error),
            ServeError::Output(_) => ErrorCode::Memory,
            _ => ErrorCode::Request,
        }
    }
}

/// The code of an engine's failure.
pub fn code_of(error: &EngineError) -> ErrorCode {
    match error {
        EngineError::Unavailable { .. } => ErrorCode::Device,
        EngineError::Device(error) if error.is_out_of_memory() => ErrorCode::Memory,
        EngineError::OutOfMemory { .. } => ErrorCode::Memory,
        EngineError::Threads { .. } | EngineError::Logits { .. } | EngineError::Device(_) => {
            ErrorCode::Unexpected
        }
        _ => ErrorCode::Request,
    }
}

/// Answers requests until the harness says stop or closes its end. `name` is the engine's name and version.
///
/// # Errors
///
/// The first failure ends the session; the harness is told before this returns.
pub fn serve(
    input: &mut impl Read,
    output: &mut impl Write,
    name: &str,
    open: Open,
) -> Result<(), ServeError> {
    let mut session = Session {
        name,
        open,
        greeted: false,
        model: None,
    };
    let result = session.answer_all(input, output);
    if let Err(error) = &result {
        let reply = Reply::error(error.code(), &error.to_string(), error.hint().as_deref());
        // Whoever has hung up cannot be told.
        let _ = send(output, &reply);
    }
    result
}

struct Session<'a> {
    name: &'a str,
    open: Open<'a>,
    greeted: bool,
    model: Option<Model>,
}

/// A model with what has been done with it.
struct Model {
    engine: Box<dyn Engine>,
    device: Device,
    /// Chosen and sent, but not yet appended: nobody may ask for what follows it.
    pending: Option<u32>,
    /// Whether a prompt is in the context, so that there is something to choose behind.
    prompted: bool,
    prefilled: Effort,
    decoded: Effort,
}

/// Tokens and the time that they took by the engine's own clock, for its own report.
#[derive(Default)]
struct Effort {
    tokens: usize,
    ns: u128,
}

impl Session<'_> {
    fn answer_all(
        &mut self,
        input: &mut impl Read,
        output: &mut impl Write,
    ) -> Result<(), ServeError> {
        while let Some(request) = Request::read(input)? {
            let order = |expected| ServeError::Order {
                expected,
                found: request.name(),
            };
            let reply = match &request {
                Request::Stop => return Ok(()),
                Request::Hello { version } => self.hello(*version)?,
                _ if !self.greeted => return Err(order("hello")),
                Request::Load {
                    context,
                    device,
                    path,
                } => self.load(*context, device, path)?,
                _ => {
                    let model = self.model.as_mut().ok_or_else(|| order("load"))?;
                    match &request {
                        Request::Prefill { ids } => model.prefill(ids)?,
                        Request::Decode { tokens, traced } => {
                            if !model.prompted {
                                return Err(order("prefill"));
                            }
                            model.decode(*tokens, traced, output)?
                        }
                        Request::Fill { .. } if model.position() > 0 => return Err(order("reset")),
                        Request::Fill { tokens } => model.fill(*tokens)?,
                        Request::Stages { position } => model.stages(*position)?,
                        Request::Reset => model.reset(),
                        _ => Reply::Statistics(model.statistics(self.name)),
                    }
                }
            };
            send(output, &reply)?;
        }
        Ok(())
    }

    fn hello(&mut self, version: u16) -> Result<Reply, ServeError> {
        if version != VERSION {
            return Err(ServeError::Version { found: version });
        }
        self.greeted = true;
        Ok(Reply::Hello {
            version,
            name: self.name.to_owned(),
            offers: Offer::ALL.map(|offer| offer.name().to_owned()).to_vec(),
        })
    }

    fn load(&mut self, context: u32, device: &str, path: &Path) -> Result<Reply, ServeError> {
        let device = [Device::Cpu, Device::Cuda]
            .into_iter()
            .find(|known| known.to_string() == device)
            .ok_or_else(|| ServeError::Device {
                found: device.to_owned(),
            })?;
        // Two models at once might not fit.
        self.model = None;
        let options = Options {
            context: Some(context as usize),
            ..Options::default()
        };
        let engine = (self.open)(device, path, options)?;
        let loaded = loaded(engine.as_ref());
        self.model = Some(Model {
            engine,
            device,
            pending: None,
            prompted: false,
            prefilled: Effort::default(),
            decoded: Effort::default(),
        });
        Ok(Reply::Loaded(loaded))
    }
}

impl Model {
    fn prefill(&mut self, ids: &[u32]) -> Result<Reply, ServeError> {
        self.expect_room(ids.len())?;
        let begin = Instant::now();
        self.append_pending()?;
        self.engine.prefill(ids)?;
        self.prompted = true;
        self.prefilled.add(ids.len(), begin);
        Ok(self.done())
    }

    fn decode(
        &mut self,
        tokens: u32,
        traced: &[u32],
        output: &mut impl Write,
    ) -> Result<Reply, ServeError> {
        self.expect_room(tokens as usize)?;
        if tokens == 0 {
            return Ok(self.done());
        }
        let begin = Instant::now();
        let (mut last, mut sent) = (None, Ok(()));
        let mut each = |id: u32, routing: &[Vec<u32>]| {
            last = Some(id);
            let routing = narrow(routing);
            sent = send(output, &Reply::Token { id, routing });
            match sent {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        };
        let pending = self.pending.take();
        self.engine
            .generate(pending, tokens as usize, traced, &mut each)?;
        sent?;
        self.pending = last;
        self.decoded.add(tokens as usize, begin);
        Ok(self.done())
    }

    fn reset(&mut self) -> Reply {
        self.pending = None;
        self.prompted = false;
        self.engine.reset();
        self.done()
    }

    fn fill(&mut self, tokens: u32) -> Result<Reply, ServeError> {
        self.engine.fill(tokens as usize)?;
        Ok(self.done())
    }

    fn stages(&mut self, position: u32) -> Result<Reply, ServeError> {
        self.reset();
        let profile = self.engine.profile(position as usize)?;
        Ok(Reply::Stages(stages(&profile)))
    }

    fn append_pending(&mut self) -> Result<(), EngineError> {
        match self.pending.take() {
            Some(id) => self.engine.step(id),
            None => Ok(()),
        }
    }

    /// Tokens in the context, the one that is yet to be appended among them.
    fn position(&self) -> usize {
        self.engine.position() + usize::from(self.pending.is_some())
    }

    fn expect_room(&self, added: usize) -> Result<(), EngineError> {
        limits::check_room(self.engine.context(), self.position(), added)
    }

    fn done(&self) -> Reply {
        Reply::Done {
            position: saturate_u32(self.position()),
        }
    }

    fn statistics(&self, name: &str) -> Statistics {
        let entry = |name: &str, value: String| (name.to_owned(), value);
        let memory = self.engine.device_bytes();
        let memory = memory.map(|bytes| entry("device_bytes", bytes.to_string()));
        let entries = [
            entry("engine", name.to_owned()),
            entry("device", self.device.to_string()),
            entry("prefill_tokens", self.prefilled.tokens.to_string()),
            entry("prefill_ns", self.prefilled.ns.to_string()),
            entry("decode_tokens", self.decoded.tokens.to_string()),
            entry("decode_ns", self.decoded.ns.to_string()),
        ];
        entries.into_iter().chain(memory).collect()
    }
}

impl Effort {
    fn add(&mut self, tokens: usize, begin: Instant) {
        self.tokens += tokens;
        self.ns += begin.elapsed().as_nanos();
    }
}

fn loaded(engine: &dyn Engine) -> Loaded {
    let architecture = engine.architecture();
    let (experts, experts_used) = architecture.experts();
    Loaded {
        vocabulary: saturate_u32(architecture.vocabulary() as usize),
        context: saturate_u32(engine.context()),
        layers: saturate_u16(architecture.layers().len() as u64),
        experts: saturate_u16(experts),
        experts_used: saturate_u16(experts_used),
    }
}

fn stages(profile: &Profile) -> Stages {
    let parts = profile.parts.iter().map(|part| StagePart {
        part: part.part.to_owned(),
        kernel: part.kernel.to_owned(),
        launches: saturate_u32(part.launches),
        bytes: part.bytes,
        ns: part.ns,
        with_ns: part.with_ns,
        without_ns: part.without_ns,
    });
    Stages {
        position: saturate_u32(profile.position),
        token_ns: profile.token_ns,
        parts: parts.collect(),
    }
}

fn narrow(routing: &[Vec<u32>]) -> Vec<Vec<u16>> {
    let layer = |experts: &Vec<u32>| {
        experts
            .iter()
            .map(|id| saturate_u16(u64::from(*id)))
            .collect()
    };
    routing.iter().map(layer).collect()
}

/// What no field can hold is no number that a model has; the harness, which reads the file itself, refuses it.
fn saturate_u16(number: u64) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

fn saturate_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// One frame, in one write, at once.
fn send(output: &mut impl Write, reply: &Reply) -> Result<(), ServeError> {
    let bytes = reply.bytes()?;
    output
        .write_all(&bytes)
        .and_then(|()| output.flush())
        .map_err(ServeError::Output)
}
