//! What an engine under test can do wrong, each with whose fault it is.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::protocol::{ErrorCode, ProtocolError, VERSION};

/// Whose fault a failure is, and so the status of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The engine's: `INVALID`.
    Engine,
    /// The machine's or the operator's; it says nothing about the engine: `INFRA_ERROR`.
    Infrastructure,
}

impl Fault {
    /// The status of a result.
    pub fn status(self) -> &'static str {
        match self {
            Fault::Engine => "INVALID",
            Fault::Infrastructure => "INFRA_ERROR",
        }
    }
}

/// Why there is no generation. `last_words` is the last line that the engine printed to standard error, if any.
#[derive(Debug, Error)]
pub enum SubjectError {
    /// The program or the model file is not there, or the program does not start.
    #[error("cannot start {}: {cause}", program.display())]
    Start {
        /// The program, or the model file.
        program: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The harness was asked to stop.
    #[error("interrupted while the engine was at {during}")]
    Interrupted {
        /// What was awaited.
        during: &'static str,
    },
    /// A signal ended the engine.
    #[error("expected {during}, found the engine ended by signal {signal}{}", quoted(.last_words))]
    Crashed {
        /// What was awaited.
        during: &'static str,
        /// Its number.
        signal: i32,
        /// From its standard error.
        last_words: String,
    },
    /// The engine closed its output.
    #[error("expected {during}, found the end of the engine's output{}{}", ended(.code), quoted(.last_words))]
    Ended {
        /// What was awaited.
        during: &'static str,
        /// Its exit code, unless it still runs.
        code: Option<i32>,
        /// From its standard error.
        last_words: String,
    },
    /// The engine does not answer.
    #[error("expected {during} within {:.1} s, found none{}", .limit.as_secs_f64(), quoted(.last_words))]
    Hung {
        /// What was awaited.
        during: &'static str,
        /// How long.
        limit: Duration,
        /// From its standard error.
        last_words: String,
    },
    /// What the engine says is no frame, or no answer of its protocol.
    #[error("expected {during}, found no sound answer: {cause}")]
    Garbage {
        /// What was awaited.
        during: &'static str,
        /// What is wrong with it.
        cause: String,
    },
    /// The engine refuses.
    #[error("the engine refuses {during}: {message}")]
    Refused {
        /// What was awaited.
        during: &'static str,
        /// The kind of failure that it names.
        code: ErrorCode,
        /// Its words.
        message: String,
        /// Its advice; empty where it gave none.
        hint: String,
    },
    /// The engine speaks another version of the protocol.
    #[error("expected version {VERSION} of the protocol, found {found}")]
    Version {
        /// The engine's version.
        found: u16,
    },
    /// The engine answers something else than was asked.
    #[error("expected {expected}, found frame {found}")]
    Order {
        /// What was awaited.
        expected: &'static str,
        /// The frame that came.
        found: &'static str,
    },
    /// A frame came before what it answers had been sent.
    #[error(
        "expected no answer before the request was sent, found frame {found} {early_ns} ns before"
    )]
    Early {
        /// The frame that came.
        found: &'static str,
        /// How much too early.
        early_ns: u64,
    },
    /// The engine has loaded a model of another shape.
    #[error("expected a model with {what} {expected}, found {found}")]
    OtherModel {
        /// What differs.
        what: &'static str,
        /// What the file says.
        expected: u64,
        /// What the engine says.
        found: u64,
    },
    /// More tokens than were asked for.
    #[error("expected {asked} tokens, found another")]
    TooManyTokens {
        /// Tokens asked for.
        asked: u32,
    },
    /// Fewer tokens than were asked for.
    #[error("expected {asked} tokens, found {found}")]
    TooFewTokens {
        /// Tokens asked for.
        asked: u32,
        /// Tokens that came.
        found: usize,
    },
    /// A context of another length than what was sent and chosen.
    #[error("expected {expected} tokens in the context, found {found}")]
    Position {
        /// Tokens sent and chosen.
        expected: u64,
        /// Tokens that the engine counts.
        found: u64,
    },
    /// An id that the vocabulary does not have.
    #[error("expected token ids below {vocabulary}, found {id} at step {step}")]
    WrongId {
        /// The id.
        id: u32,
        /// Its place among the tokens chosen.
        step: usize,
        /// Number of tokens that the model knows.
        vocabulary: u64,
    },
    /// A routing trace that the model cannot have.
    #[error("expected {expected} at step {step}, found {found}")]
    Routing {
        /// What the model's shape or the request requires.
        expected: String,
        /// What came.
        found: String,
        /// The token's place among those chosen.
        step: usize,
    },
}

impl SubjectError {
    /// A short name for results: what went wrong, in one word or two.
    pub fn name(&self) -> &'static str {
        match self {
            SubjectError::Start { .. } => "not_started",
            SubjectError::Interrupted { .. } => "interrupted",
            SubjectError::Crashed { .. } => "crash",
            SubjectError::Ended { .. } => "early_end",
            SubjectError::Hung { .. } => "hang",
            SubjectError::Garbage { .. } => "garbage",
            SubjectError::Refused { .. } => "refused",
            SubjectError::Version { .. } => "other_version",
            SubjectError::Order { .. } => "wrong_order",
            SubjectError::Early { .. } => "early_frame",
            SubjectError::OtherModel { .. } => "other_model",
            SubjectError::TooManyTokens { .. } => "too_many_tokens",
            SubjectError::TooFewTokens { .. } => "too_few_tokens",
            SubjectError::Position { .. } => "wrong_position",
            SubjectError::WrongId { .. } => "wrong_id",
            SubjectError::Routing { .. } => "wrong_routing",
        }
    }

    /// Whose fault it is. What ends an engine from outside (SIGKILL: most often memory that ran out) is not its own.
    pub fn fault(&self) -> Fault {
        const SIGKILL: i32 = 9;
        match self {
            SubjectError::Start { .. }
            | SubjectError::Interrupted { .. }
            | SubjectError::Crashed {
                signal: SIGKILL, ..
            }
            | SubjectError::Refused {
                code: ErrorCode::Device | ErrorCode::Memory,
                ..
            } => Fault::Infrastructure,
            _ => Fault::Engine,
        }
    }

    /// The next step, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            SubjectError::Start { .. } => {
                Some("give the path of an engine that this machine can run".to_owned())
            }
            SubjectError::Refused { hint, .. } if !hint.is_empty() => Some(hint.clone()),
            SubjectError::Crashed { signal: 9, .. } => {
                Some("look whether the machine ran out of memory (`dmesg`)".to_owned())
            }
            _ => None,
        }
    }

    pub(super) fn garbage(during: &'static str, error: &ProtocolError) -> Self {
        SubjectError::Garbage {
            during,
            cause: error.to_string(),
        }
    }
}

fn ended(code: &Option<i32>) -> String {
    code.map_or(String::new(), |code| format!(" (exit code {code})"))
}

fn quoted(last_words: &str) -> String {
    match last_words {
        "" => String::new(),
        words => format!("; it said: {words}"),
    }
}
