//! Why a command of the engine ended early: its exit code, one line, and the next step.

use std::io;
use std::path::PathBuf;

use sparkbench::build_info::BuildInfoError;
use sparkbench::engine::{EngineError, IdsError, ScoreError, ServeError, code_of};

#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    BuildInfo(#[from] BuildInfoError),
    #[error("this binary has no kernel images: {reason}")]
    NoImages { reason: &'static str },
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error("cannot read token ids from {}: {cause}", path.display())]
    Read { path: PathBuf, cause: io::Error },
    #[error("{}: {error}", path.display())]
    Ids { path: PathBuf, error: IdsError },
    #[error("--prompts: {0}")]
    Prompts(ScoreError),
    #[error("cannot write {}: {cause}", path.display())]
    Write { path: PathBuf, cause: io::Error },
    #[error("cannot write to standard output: {0}")]
    Print(io::Error),
    #[error("cannot take over signals: {0}")]
    Signals(io::Error),
    #[error("cannot state the manifest as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl CommandError {
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::BuildInfo(error) => error.hint(),
            Self::NoImages { .. } => Some(
                "install nvcc with scripts/nvcc, then build with SPARKBENCH_CUDA=require"
                    .to_owned(),
            ),
            Self::Engine(error) => error.hint(),
            Self::Serve(error) => error.hint(),
            Self::Read { .. }
            | Self::Ids { .. }
            | Self::Prompts(_)
            | Self::Write { .. }
            | Self::Print(_)
            | Self::Signals(_)
            | Self::Json(_) => None,
        }
    }

    pub fn exit_code(&self) -> u8 {
        match self {
            Self::BuildInfo(BuildInfoError::Embedded { .. }) | Self::Signals(_) | Self::Json(_) => {
                1
            }
            Self::BuildInfo(_) | Self::Read { .. } | Self::Ids { .. } | Self::Prompts(_) => 2,
            Self::NoImages { .. } => 4,
            Self::Engine(error) => code_of(error).number(),
            Self::Serve(error) => error.code().number(),
            Self::Write { .. } | Self::Print(_) => 8,
        }
    }

    /// Whoever reads the output may stop early.
    pub fn is_a_reader_that_stopped(&self) -> bool {
        match self {
            Self::Print(cause) | Self::Serve(ServeError::Output(cause)) => {
                cause.kind() == io::ErrorKind::BrokenPipe
            }
            _ => false,
        }
    }
}
