//! Drives an engine that speaks the suite's own protocol over its standard input and output.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use crate::protocol::{Loaded, Offer, Reply, Request, Routing, Stages, VERSION};
use crate::telemetry::SessionClock;

use super::findings::History;
use super::process::absolute;
use super::wire::Wire;
use super::{Generation, Launch, Limits, ModelShape, Subject, SubjectError, Task};

/// What to start and what to load.
#[derive(Debug, Clone)]
pub struct NativeOptions {
    /// The engine.
    pub program: PathBuf,
    /// Its arguments; `spark-engine` takes `serve`.
    pub arguments: Vec<String>,
    /// The GGUF file.
    pub model: PathBuf,
    /// Where the engine is to compute: `cpu` or `cuda`.
    pub device: String,
    /// Most tokens that the context will hold: the longest prompt and what is chosen behind it.
    pub context: u32,
    /// The same where the engine offers to fill contexts, which then may be longer.
    pub context_filled: u32,
    /// What the harness knows of the model.
    pub shape: ModelShape,
    /// When the engine counts as hung.
    pub limits: Limits,
}

/// An engine of the native protocol with its model loaded.
pub struct Native {
    launch: Launch,
    wire: Wire,
    shape: ModelShape,
    limits: Limits,
    /// What the engine offers.
    offers: Vec<String>,
    history: History,
}

impl Native {
    /// Starts an engine and has it load its model.
    ///
    /// # Errors
    ///
    /// Whatever the engine does other than that.
    pub fn start(
        options: &NativeOptions,
        clock: SessionClock,
        interrupt: &AtomicBool,
    ) -> Result<Self, SubjectError> {
        let model = absolute(&options.model)?;
        let patience = options.limits.next;
        let (wire, launch) = Wire::start(&options.program, &options.arguments, clock, patience)?;
        let mut native = Native {
            launch,
            wire,
            shape: options.shape,
            limits: options.limits,
            offers: Vec::new(),
            history: History::default(),
        };
        native.greet(interrupt)?;
        native.load(&model, options, interrupt)?;
        Ok(native)
    }

    fn greet(&mut self, interrupt: &AtomicBool) -> Result<(), SubjectError> {
        const DURING: &str = "a greeting";
        self.wire
            .send(&[Request::Hello { version: VERSION }], DURING)?;
        match self
            .wire
            .await_reply(DURING, self.limits.start, interrupt)?
        {
            (_, Reply::Hello { version, .. }) if version != VERSION => {
                Err(SubjectError::Version { found: version })
            }
            (_, Reply::Hello { name, offers, .. }) => {
                self.launch.name = name;
                self.offers = offers;
                Ok(())
            }
            (_, other) => Err(wrong_order(DURING, &other)),
        }
    }

    fn load(
        &mut self,
        model: &Path,
        options: &NativeOptions,
        interrupt: &AtomicBool,
    ) -> Result<(), SubjectError> {
        const DURING: &str = "a loaded model";
        let context = match self.offers(Offer::Fill) {
            true => options.context_filled,
            false => options.context,
        };
        let request = Request::Load {
            context,
            device: options.device.clone(),
            path: model.to_owned(),
        };
        self.wire.send(&[request], DURING)?;
        match self.wire.await_reply(DURING, self.limits.load, interrupt)? {
            (_, Reply::Loaded(loaded)) => expect_shape(&loaded, &options.shape, context),
            (_, other) => Err(wrong_order(DURING, &other)),
        }
    }

    fn reset(&mut self, interrupt: &AtomicBool) -> Result<(), SubjectError> {
        const DURING: &str = "an empty context";
        self.wire.send(&[Request::Reset], DURING)?;
        let (_, reply) = self.wire.await_reply(DURING, self.limits.next, interrupt)?;
        expect_done(DURING, &reply, 0)
    }

    /// Has the empty context filled, if the task wants that.
    fn fill(&mut self, task: &Task) -> Result<(), SubjectError> {
        const DURING: &str = "a filled context";
        if task.filled == 0 {
            return Ok(());
        }
        let tokens = task.filled;
        self.wire.send(&[Request::Fill { tokens }], DURING)?;
        // It may take as long as a prompt.
        let limit = self.limits.first_token;
        let (_, reply) = self.wire.await_reply(DURING, limit, task.interrupt)?;
        expect_done(DURING, &reply, u64::from(tokens))
    }

    /// Sends the prompt, and reads all that answers it.
    fn observe(&mut self, task: &Task) -> Result<Generation, SubjectError> {
        let requests = [
            Request::Prefill {
                ids: task.prompt.to_vec(),
            },
            Request::Decode {
                tokens: task.tokens,
                traced: task.traced.to_vec(),
            },
        ];
        const PREFILL: &str = "a prefill";
        let sent_ns = self.wire.send(&requests, PREFILL)?;
        let (prefilled_ns, reply) =
            self.wire
                .await_reply(PREFILL, self.limits.first_token, task.interrupt)?;
        expect_done(PREFILL, &reply, task.context())?;
        let mut generation = Generation {
            sent_ns,
            prefilled_ns: Some(prefilled_ns),
            ids: Vec::new(),
            stamps_ns: Vec::new(),
            routing: Vec::new(),
            self_reported: Default::default(),
            findings: Vec::new(),
        };
        self.tokens(task, &mut generation)?;
        Ok(generation)
    }

    fn tokens(&self, task: &Task, generation: &mut Generation) -> Result<(), SubjectError> {
        const TOKEN: &str = "a token";
        let mut limit = self.limits.first_token;
        loop {
            let (at_ns, reply) = self.wire.await_reply(TOKEN, limit, task.interrupt)?;
            let step = generation.ids.len();
            match reply {
                Reply::Token { .. } if step as u64 == u64::from(task.tokens) => {
                    return Err(SubjectError::TooManyTokens { asked: task.tokens });
                }
                Reply::Token { id, routing } => {
                    self.expect_id(id, step)?;
                    generation.ids.push(id);
                    generation.stamps_ns.push(at_ns);
                    self.expect_routing(task, step, &routing)?;
                    if !routing.is_empty() {
                        // The pass that chose the first token is that of the prompt's last.
                        let position = task.context() + step as u64 - 1;
                        generation.routing.push((position as u32, routing));
                    }
                }
                Reply::Done { .. } if (step as u64) < u64::from(task.tokens) => {
                    return Err(SubjectError::TooFewTokens {
                        asked: task.tokens,
                        found: step,
                    });
                }
                reply => {
                    let context = task.context() + u64::from(task.tokens);
                    return expect_done("the end of a decode", &reply, context);
                }
            }
            limit = self.limits.next;
        }
    }

    fn expect_id(&self, id: u32, step: usize) -> Result<(), SubjectError> {
        let vocabulary = self.shape.vocabulary;
        match u64::from(id) < vocabulary {
            true => Ok(()),
            false => Err(SubjectError::WrongId {
                id,
                step,
                vocabulary,
            }),
        }
    }

    fn expect_routing(
        &self,
        task: &Task,
        step: usize,
        routing: &Routing,
    ) -> Result<(), SubjectError> {
        let wrong = |expected: String, found: String| SubjectError::Routing {
            expected,
            found,
            step,
        };
        let asked = u32::try_from(step).is_ok_and(|step| task.traced.binary_search(&step).is_ok());
        let ModelShape {
            layers,
            experts,
            experts_used,
            ..
        } = self.shape;
        let layers_asked = if asked { layers } else { 0 };
        if routing.len() as u64 != layers_asked {
            let found = format!("{} layers", routing.len());
            return Err(wrong(format!("experts of {layers_asked} layers"), found));
        }
        for chosen in routing {
            let mut distinct = chosen.clone();
            distinct.sort_unstable();
            distinct.dedup();
            let in_range = chosen.iter().all(|id| u64::from(*id) < experts);
            if distinct.len() as u64 != experts_used || chosen.len() != distinct.len() || !in_range
            {
                let expected = format!("{experts_used} different experts of {experts} in a layer");
                return Err(wrong(expected, format!("{chosen:?}")));
            }
        }
        Ok(())
    }

    fn statistics(&mut self, task: &Task, generation: &mut Generation) -> Result<(), SubjectError> {
        const DURING: &str = "statistics";
        self.wire.send(&[Request::Statistics], DURING)?;
        match self
            .wire
            .await_reply(DURING, self.limits.next, task.interrupt)?
        {
            (_, Reply::Statistics(entries)) => {
                generation.self_reported = entries;
                Ok(())
            }
            (_, Reply::Token { .. }) => Err(SubjectError::TooManyTokens { asked: task.tokens }),
            (_, other) => Err(wrong_order(DURING, &other)),
        }
    }
}

impl Subject for Native {
    fn launch(&self) -> &Launch {
        &self.launch
    }

    fn generate(&mut self, task: &Task) -> Result<Generation, SubjectError> {
        self.reset(task.interrupt)?;
        self.fill(task)?;
        let mut generation = self.observe(task)?;
        self.statistics(task, &mut generation)?;
        generation.findings = self.history.findings(task, &generation);
        Ok(generation)
    }

    fn offers(&self, offer: Offer) -> bool {
        self.offers.iter().any(|word| word == offer.name())
    }

    fn stages(
        &mut self,
        position: u32,
        interrupt: &AtomicBool,
    ) -> Result<Option<Stages>, SubjectError> {
        const DURING: &str = "a table of stages";
        if !self.offers(Offer::Stages) {
            return Ok(None);
        }
        self.wire.send(&[Request::Stages { position }], DURING)?;
        let limit = self.limits.first_token;
        match self.wire.await_reply(DURING, limit, interrupt)? {
            (_, Reply::Stages(stages)) => Ok(Some(stages)),
            (_, other) => Err(wrong_order(DURING, &other)),
        }
    }
}

fn expect_shape(loaded: &Loaded, shape: &ModelShape, context: u32) -> Result<(), SubjectError> {
    let facts = [
        (
            "a vocabulary of",
            shape.vocabulary,
            u64::from(loaded.vocabulary),
        ),
        ("a number of layers of", shape.layers, loaded.layers.into()),
        (
            "a number of experts of",
            shape.experts,
            loaded.experts.into(),
        ),
        (
            "experts used of",
            shape.experts_used,
            loaded.experts_used.into(),
        ),
        ("a context of", context.into(), loaded.context.into()),
    ];
    for (what, expected, found) in facts {
        if expected != found {
            return Err(SubjectError::OtherModel {
                what,
                expected,
                found,
            });
        }
    }
    Ok(())
}

fn expect_done(during: &'static str, reply: &Reply, expected: u64) -> Result<(), SubjectError> {
    match reply {
        Reply::Done { position } if u64::from(*position) == expected => Ok(()),
        Reply::Done { position } => Err(SubjectError::Position {
            expected,
            found: u64::from(*position),
        }),
        other => Err(wrong_order(during, other)),
    }
}

fn wrong_order(expected: &'static str, found: &Reply) -> SubjectError {
    SubjectError::Order {
        expected,
        found: found.name(),
    }
}
