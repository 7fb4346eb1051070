//! Drives llama.cpp's `llama-server` over its streaming endpoint on loopback, so that a peer is measured by our clock.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::protocol::Statistics;
use crate::telemetry::SessionClock;

use super::findings::History;
use super::http::{self, Answer};
use super::process::{Ends, Process, absolute, cannot_start};
use super::{Finding, Generation, Launch, Limits, ModelShape, Subject, SubjectError, Task};

/// How often a server that is loading is asked whether it is ready.
const KNOCK: Duration = Duration::from_millis(50);

/// What to start and what to load.
#[derive(Debug, Clone)]
pub struct LlamaOptions {
    /// `llama-server`.
    pub program: PathBuf,
    /// Arguments behind those that the driver needs.
    pub arguments: Vec<String>,
    /// The GGUF file.
    pub model: PathBuf,
    /// Layers on the GPU: 0 for none.
    pub gpu_layers: u32,
    /// Most tokens that the context will hold.
    pub context: u32,
    /// What the harness knows of the model.
    pub shape: ModelShape,
    /// When the server counts as hung.
    pub limits: Limits,
}

/// A `llama-server` with its model loaded.
pub struct LlamaServer {
    process: Process,
    launch: Launch,
    port: u16,
    shape: ModelShape,
    limits: Limits,
    clock: SessionClock,
    history: History,
}

/// The body of a request to `/completion`.
#[derive(Serialize)]
struct Completion<'a> {
    prompt: &'a [u32],
    n_predict: u32,
    temperature: f64,
    stream: bool,
    return_tokens: bool,
    /// The prompt is read anew each time.
    cache_prompt: bool,
    /// Makes the ids that end a sequence impossible, rather than tokens like any other.
    ignore_eos: bool,
}

/// One event of the answer.
#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    tokens: Vec<u32>,
    #[serde(default)]
    stop: bool,
    /// In the last event.
    tokens_predicted: Option<u64>,
    tokens_evaluated: Option<u64>,
    #[serde(default)]
    timings: BTreeMap<String, Value>,
    error: Option<Value>,
}

/// What `/props` says.
#[derive(Deserialize)]
struct Properties {
    build_info: Option<String>,
}

impl LlamaServer {
    /// Starts a server on a free port and waits until it has loaded its model.
    ///
    /// # Errors
    ///
    /// Whatever it does other than that.
    pub fn start(
        options: &LlamaOptions,
        clock: SessionClock,
        interrupt: &AtomicBool,
    ) -> Result<Self, SubjectError> {
        let model = absolute(&options.model)?;
        let port = free_port().map_err(|cause| cannot_start(&options.program, cause))?;
        let own = [
            ("--model", model.display().to_string()),
            ("--host", Ipv4Addr::LOCALHOST.to_string()),
            ("--port", port.to_string()),
            ("--ctx-size", options.context.to_string()),
            ("--parallel", "1".to_owned()),
            ("--n-gpu-layers", options.gpu_layers.to_string()),
        ];
        let mut arguments: Vec<String> = own
            .into_iter()
            .flat_map(|(name, value)| [name.to_owned(), value])
            .collect();
        arguments.extend_from_slice(&options.arguments);
        let ends = Ends {
            input: Stdio::null(),
            output: Stdio::null(),
        };
        let (process, launch) = Process::start(&options.program, &arguments, ends)?;
        let mut server = LlamaServer {
            process,
            launch,
            port,
            shape: options.shape,
            limits: options.limits,
            clock,
            history: History::default(),
        };
        server.await_model(interrupt)?;
        server.launch.name = server.name(interrupt);
        Ok(server)
    }

    fn await_model(&self, interrupt: &AtomicBool) -> Result<(), SubjectError> {
        const DURING: &str = "a loaded model";
        let begin = Instant::now();
        loop {
            if interrupt.load(Ordering::SeqCst) {
                return Err(SubjectError::Interrupted { during: DURING });
            }
            if self.process.status_within(Duration::ZERO).is_some() {
                return Err(self.process.end(DURING));
            }
            // It refuses connections at first, and answers 503 while it loads.
            let health = self.ask("/health", None, self.limits.next, interrupt);
            // Read to its end, so that the server can write it to its end.
            let healthy =
                health.is_ok_and(|mut answer| answer.text().is_ok() && answer.status == 200);
            if healthy {
                return Ok(());
            }
            if begin.elapsed() > self.limits.load {
                return Err(self.hung(DURING, self.limits.load));
            }
            thread::sleep(KNOCK);
        }
    }

    fn name(&self, interrupt: &AtomicBool) -> String {
        let properties = self
            .ask("/props", None, self.limits.next, interrupt)
            .and_then(|mut answer| answer.text())
            .ok()
            .and_then(|text| serde_json::from_str::<Properties>(&text).ok());
        let build = properties.and_then(|properties| properties.build_info);
        format!("llama.cpp {}", build.unwrap_or_default())
            .trim()
            .to_owned()
    }

    fn ask<'a>(
        &self,
        path: &str,
        json: Option<&str>,
        limit: Duration,
        interrupt: &'a AtomicBool,
    ) -> io::Result<Answer<'a>> {
        http::request(self.port, path, json, limit, self.clock, interrupt)
    }

    fn observe(&self, task: &Task) -> Result<Generation, SubjectError> {
        const ANSWER: &str = "an answer to a prompt";
        let json = serde_json::to_string(&Completion {
            prompt: task.prompt,
            n_predict: task.tokens,
            temperature: 0.0,
            stream: true,
            return_tokens: true,
            cache_prompt: false,
            ignore_eos: true,
        });
        let json = json.map_err(|error| garbage(ANSWER, &error))?;
        let limit = self.limits.first_token;
        let sent_ns = self.clock.now_ns();
        let answer = self.ask("/completion", Some(&json), limit, task.interrupt);
        let mut answer = answer.map_err(|error| self.failed(ANSWER, limit, &error))?;
        if answer.status != 200 {
            let text = answer.text().unwrap_or_default();
            let text: String = text.chars().take(300).collect();
            return Err(garbage(
                ANSWER,
                &format!("status {}: {}", answer.status, text.trim()),
            ));
        }
        let mut generation = Generation {
            sent_ns,
            prefilled_ns: None,
            ids: Vec::new(),
            stamps_ns: Vec::new(),
            routing: Vec::new(),
            self_reported: Statistics::new(),
            findings: Vec::new(),
        };
        let last = self.events(task, &mut answer, &mut generation)?;
        self.finish(task, &last, &mut generation)?;
        Ok(generation)
    }

    /// Reads events up to the last, which is returned.
    fn events(
        &self,
        task: &Task,
        answer: &mut Answer,
        generation: &mut Generation,
    ) -> Result<Event, SubjectError> {
        const TOKEN: &str = "a token";
        let mut limit = self.limits.first_token;
        loop {
            let line = answer.line();
            let line = line.map_err(|error| self.failed(TOKEN, limit, &error))?;
            let Some((at_ns, line)) = line else {
                return Err(self.process.end(TOKEN));
            };
            let Some(event) = line.strip_prefix("data:") else {
                // Empty lines part events; an error has a name of its own.
                match line.strip_prefix("error:") {
                    Some(message) => return Err(garbage(TOKEN, &message.trim())),
                    None => continue,
                }
            };
            let event: Event =
                serde_json::from_str(event.trim()).map_err(|error| garbage(TOKEN, &error))?;
            if let Some(error) = event.error {
                return Err(garbage(TOKEN, &error));
            }
            for id in &event.tokens {
                self.expect_id(*id, generation.ids.len())?;
                generation.ids.push(*id);
                generation.stamps_ns.push(at_ns);
            }
            if generation.ids.len() as u64 > u64::from(task.tokens) {
                return Err(SubjectError::TooManyTokens { asked: task.tokens });
            }
            if event.stop {
                return Ok(event);
            }
            limit = self.limits.next;
            answer.set_limit(limit);
        }
    }

    fn finish(
        &self,
        task: &Task,
        last: &Event,
        generation: &mut Generation,
    ) -> Result<(), SubjectError> {
        let prompt = task.prompt.len() as u64;
        if let Some(found) = last.tokens_evaluated.filter(|found| *found != prompt) {
            return Err(SubjectError::Position {
                expected: prompt,
                found,
            });
        }
        let (asked, ids) = (task.tokens, generation.ids.len());
        // The server sends no event for a token that ends inside a character; the next one's event follows for both.
        let tokens = last.tokens_predicted.unwrap_or(ids as u64);
        if tokens != u64::from(asked) || ids == 0 {
            return Err(SubjectError::TooFewTokens { asked, found: ids });
        }
        generation.findings = withheld(tokens, ids);
        generation.self_reported = last
            .timings
            .iter()
            .map(|(name, value)| (format!("timings.{name}"), value.to_string()))
            .chain([("tokens_predicted".to_owned(), tokens.to_string())])
            .collect();
        Ok(())
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

    /// What a connection that failed means.
    fn failed(&self, during: &'static str, limit: Duration, error: &io::Error) -> SubjectError {
        match error.kind() {
            ErrorKind::TimedOut | ErrorKind::WouldBlock => self.hung(during, limit),
            ErrorKind::ConnectionAborted => SubjectError::Interrupted { during },
            ErrorKind::InvalidData => garbage(during, error),
            _ => self.process.end(during),
        }
    }

    fn hung(&self, during: &'static str, limit: Duration) -> SubjectError {
        SubjectError::Hung {
            during,
            limit,
            last_words: self.process.last_words(),
        }
    }
}

impl Subject for LlamaServer {
    fn launch(&self) -> &Launch {
        &self.launch
    }

    fn generate(&mut self, task: &Task) -> Result<Generation, SubjectError> {
        let mut generation = self.observe(task)?;
        let findings = self.history.findings(task, &generation);
        generation.findings.extend(findings);
        Ok(generation)
    }
}

fn withheld(tokens: u64, ids: usize) -> Vec<Finding> {
    match ids as u64 == tokens {
        true => Vec::new(),
        false => vec![Finding::WithheldIds { tokens, ids }],
    }
}

fn garbage(during: &'static str, cause: &dyn ToString) -> SubjectError {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    SubjectError::Garbage {
        during,
        cause: cause.to_string().chars().map(plain).collect(),
    }
}

/// A port that nobody listens on. Somebody else may take it before the server does; then the server says so and ends.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}
