//! Drives an engine that speaks the suite's own protocol over its standard input and output.

use std::io::{BufReader, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::protocol::{Loaded, ProtocolError, Reply, Request, Routing, VERSION};
use crate::telemetry::SessionClock;

use super::findings::History;
use super::process::{Ends, Process, absolute};
use super::stamped::Stamped;
use super::{Generation, Launch, Limits, ModelShape, Subject, SubjectError, Task};

/// How often an interrupt is looked for while an answer is awaited.
const GLANCE: Duration = Duration::from_millis(100);

/// Frames that may wait to be looked at; an engine that sends more, unasked, waits itself.
const WAITING_FRAMES: usize = 4096;

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
    /// What the harness knows of the model.
    pub shape: ModelShape,
    /// When the engine counts as hung.
    pub limits: Limits,
}

/// An engine of the native protocol with its model loaded.
pub struct Native {
    process: Process,
    launch: Launch,
    wire: Wire,
    shape: ModelShape,
    limits: Limits,
    history: History,
}

/// Both directions to an engine.
struct Wire {
    requests: UnixStream,
    replies: Receiver<Arrival>,
    clock: SessionClock,
    /// When the last request was about to be sent.
    sent_ns: u64,
}

/// A frame, or why there is none, with the time of its last byte.
struct Arrival {
    at_ns: u64,
    frame: Result<Option<Reply>, ProtocolError>,
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
        let failed = |cause| super::process::cannot_start(&options.program, cause);
        // A socket takes a limit on how long a write may last, which a pipe does not.
        let (requests, input) = UnixStream::pair().map_err(failed)?;
        requests
            .set_write_timeout(Some(options.limits.next))
            .map_err(failed)?;
        let ends = Ends {
            input: Stdio::from(OwnedFd::from(input)),
            output: Stdio::piped(),
        };
        let (mut process, launch) = Process::start(&options.program, &options.arguments, ends)?;
        let (sender, replies) = sync_channel(WAITING_FRAMES);
        if let Some(stdout) = process.child.stdout.take() {
            thread::spawn(move || read_replies(stdout, clock, &sender));
        }
        let mut native = Native {
            process,
            launch,
            wire: Wire {
                requests,
                replies,
                clock,
                sent_ns: 0,
            },
            shape: options.shape,
            limits: options.limits,
            history: History::default(),
        };
        native.greet(interrupt)?;
        native.load(&model, options, interrupt)?;
        Ok(native)
    }

    fn greet(&mut self, interrupt: &AtomicBool) -> Result<(), SubjectError> {
        const DURING: &str = "a greeting";
        self.send(&[Request::Hello { version: VERSION }], DURING)?;
        match self.await_reply(DURING, self.limits.start, interrupt)? {
            (_, Reply::Hello { version, .. }) if version != VERSION => {
                Err(SubjectError::Version { found: version })
            }
            (_, Reply::Hello { name, .. }) => {
                self.launch.name = name;
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
        let request = Request::Load {
            context: options.context,
            device: options.device.clone(),
            path: model.to_owned(),
        };
        self.send(&[request], DURING)?;
        match self.await_reply(DURING, self.limits.load, interrupt)? {
            (_, Reply::Loaded(loaded)) => expect_shape(&loaded, options),
            (_, other) => Err(wrong_order(DURING, &other)),
        }
    }

    /// Writes frames in one piece and says when it began to.
    fn send(&mut self, requests: &[Request], during: &'static str) -> Result<u64, SubjectError> {
        let bytes: Result<Vec<Vec<u8>>, ProtocolError> =
            requests.iter().map(Request::bytes).collect();
        let bytes = bytes
            .map_err(|error| SubjectError::garbage(during, &error))?
            .concat();
        let sent_ns = self.wire.clock.now_ns();
        self.wire.sent_ns = sent_ns;
        match self.wire.requests.write_all(&bytes) {
            Ok(()) => Ok(sent_ns),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err(self.hung(during, self.limits.next))
            }
            // Its last frame may say why it no longer listens.
            Err(_) => match self.wire.replies.try_iter().last() {
                Some(Arrival {
                    frame:
                        Ok(Some(Reply::Error {
                            code,
                            message,
                            hint,
                        })),
                    ..
                }) => Err(SubjectError::Refused {
                    during,
                    code,
                    message,
                    hint,
                }),
                _ => Err(self.process.end(during)),
            },
        }
    }

    /// The next frame and when it arrived; an engine's refusal is an error.
    fn await_reply(
        &self,
        during: &'static str,
        limit: Duration,
        interrupt: &AtomicBool,
    ) -> Result<(u64, Reply), SubjectError> {
        let begin = Instant::now();
        let arrival = loop {
            if interrupt.load(Ordering::SeqCst) {
                return Err(SubjectError::Interrupted { during });
            }
            let left = limit.saturating_sub(begin.elapsed());
            match self.wire.replies.recv_timeout(left.min(GLANCE)) {
                Ok(arrival) => break arrival,
                Err(RecvTimeoutError::Disconnected) => return Err(self.process.end(during)),
                Err(RecvTimeoutError::Timeout) if left.is_zero() => {
                    return Err(self.hung(during, limit));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        };
        match arrival.frame {
            Ok(Some(Reply::Error {
                code,
                message,
                hint,
            })) => Err(SubjectError::Refused {
                during,
                code,
                message,
                hint,
            }),
            Ok(Some(reply)) => match self.wire.sent_ns.saturating_sub(arrival.at_ns) {
                0 => Ok((arrival.at_ns, reply)),
                early_ns => Err(SubjectError::Early {
                    found: reply.name(),
                    early_ns,
                }),
            },
            Ok(None) => Err(self.process.end(during)),
            // A frame that breaks off is an engine that broke off.
            Err(ProtocolError::Truncated { .. } | ProtocolError::Io(_)) => {
                Err(self.process.end(during))
            }
            Err(error) => Err(SubjectError::garbage(during, &error)),
        }
    }

    fn hung(&self, during: &'static str, limit: Duration) -> SubjectError {
        SubjectError::Hung {
            during,
            limit,
            last_words: self.process.last_words(),
        }
    }

    fn reset(&mut self, interrupt: &AtomicBool) -> Result<(), SubjectError> {
        const DURING: &str = "an empty context";
        self.send(&[Request::Reset], DURING)?;
        let (_, reply) = self.await_reply(DURING, self.limits.next, interrupt)?;
        expect_done(DURING, &reply, 0)
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
        let sent_ns = self.send(&requests, PREFILL)?;
        let (prefilled_ns, reply) =
            self.await_reply(PREFILL, self.limits.first_token, task.interrupt)?;
        expect_done(PREFILL, &reply, task.prompt.len() as u64)?;
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
            let (at_ns, reply) = self.await_reply(TOKEN, limit, task.interrupt)?;
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
                        let position = task.prompt.len() + step - 1;
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
                    let context = task.prompt.len() as u64 + u64::from(task.tokens);
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
        self.send(&[Request::Statistics], DURING)?;
        match self.await_reply(DURING, self.limits.next, task.interrupt)? {
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
        let mut generation = self.observe(task)?;
        self.statistics(task, &mut generation)?;
        generation.findings = self.history.findings(task, &generation);
        Ok(generation)
    }
}

/// Reads until the stream ends or nobody listens, and notes when each frame had arrived.
fn read_replies(stdout: impl Read, clock: SessionClock, replies: &SyncSender<Arrival>) {
    let mut input = BufReader::with_capacity(1 << 16, Stamped::new(stdout, clock));
    loop {
        let frame = Reply::read(&mut input);
        let more = matches!(frame, Ok(Some(_)));
        let arrival = Arrival {
            at_ns: input.get_ref().arrived_ns(),
            frame,
        };
        if replies.send(arrival).is_err() || !more {
            return;
        }
    }
}

fn expect_shape(loaded: &Loaded, options: &NativeOptions) -> Result<(), SubjectError> {
    let shape = &options.shape;
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
        (
            "a context of",
            options.context.into(),
            loaded.context.into(),
        ),
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
