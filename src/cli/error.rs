//! Why a command ended early: its exit code, one line, and the next step. Every module's errors are mapped here.

use std::io;

use crate::build_info::BuildInfoError;
use crate::config::ConfigError;
use crate::gguf::GgufError;
use crate::model::ModelError;
use crate::model::synth::SynthError;
use crate::rebuild::RebuildError;
use crate::replay::ReplayError;
use crate::result::{ReadError, SaltError, SealError};
use crate::run::RunError;

use super::exit::Exit;

/// What `main` prints as `error:` and `hint:`, and ends with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CliError {
    /// The exit code.
    pub exit: Exit,
    /// One lowercase line: what was expected, what was found, where.
    pub message: String,
    /// The next step, where there is one.
    pub hint: Option<String>,
}

impl CliError {
    /// An error with a next step.
    pub fn new(exit: Exit, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            hint: Some(hint.into()),
        }
    }

    fn from_parts(exit: Exit, message: impl ToString, hint: Option<String>) -> Self {
        Self {
            exit,
            message: message.to_string(),
            hint,
        }
    }

    /// The signals could not be taken over.
    pub fn signals(error: io::Error) -> Self {
        Self::from_parts(
            Exit::Unexpected,
            format!("cannot take over signals: {error}"),
            None,
        )
    }

    /// What was asked for could not be printed.
    pub fn stdout(error: &io::Error) -> Self {
        Self::from_parts(
            Exit::Output,
            format!("cannot write to stdout: {error}"),
            None,
        )
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::from_parts(Exit::Usage, &error, error.hint())
    }
}

impl From<GgufError> for CliError {
    fn from(error: GgufError) -> Self {
        Self::from_parts(Exit::Usage, &error, error.hint())
    }
}

impl From<ModelError> for CliError {
    fn from(error: ModelError) -> Self {
        Self::from_parts(Exit::Usage, &error, error.hint())
    }
}

impl From<BuildInfoError> for CliError {
    fn from(error: BuildInfoError) -> Self {
        let exit = match error {
            BuildInfoError::Embedded { .. } => Exit::Unexpected,
            BuildInfoError::Unreadable { .. } | BuildInfoError::NotARecord { .. } => Exit::Usage,
        };
        Self::from_parts(exit, &error, error.hint())
    }
}

impl From<SynthError> for CliError {
    fn from(error: SynthError) -> Self {
        let exit = match error {
            SynthError::Mix { .. } => Exit::Usage,
            SynthError::Type { .. } | SynthError::Header(_) => Exit::Unexpected,
            SynthError::Exists { .. } | SynthError::Full { .. } | SynthError::Write { .. } => {
                Exit::Output
            }
            SynthError::Interrupted { .. } => Exit::Interrupted,
        };
        Self::from_parts(exit, &error, error.hint())
    }
}

impl From<ReadError> for CliError {
    fn from(error: ReadError) -> Self {
        let exit = match error {
            ReadError::Io { .. } => Exit::Usage,
            ReadError::TooLarge { .. }
            | ReadError::NotText { .. }
            | ReadError::Format { .. }
            | ReadError::Json(_) => Exit::NotVerified,
        };
        Self::from_parts(exit, &error, error.hint())
    }
}

impl From<SealError> for CliError {
    fn from(error: SealError) -> Self {
        Self::from_parts(
            Exit::Unexpected,
            &error,
            Some("this is a bug; please report it with the line above".to_owned()),
        )
    }
}

impl From<RunError> for CliError {
    fn from(error: RunError) -> Self {
        let exit = match error {
            _ if error.is_out_of_memory() => Exit::Output,
            RunError::UnknownFamily { .. }
            | RunError::NoSuchCase { .. }
            | RunError::NoWeights
            | RunError::NothingGenerated { .. }
            | RunError::MemoryLimit { .. }
            | RunError::Prompt(_)
            | RunError::OtherCorpus { .. }
            | RunError::Weights(_) => Exit::Usage,
            RunError::NoCaseFits { .. } => Exit::Output,
            RunError::Kernel(_) | RunError::Device(_) => Exit::Device,
            RunError::BuildInfo(error) => return error.into(),
            RunError::Random(_) => Exit::Unexpected,
        };
        Self::from_parts(exit, &error, error.hint())
    }
}

impl From<RebuildError> for CliError {
    fn from(error: RebuildError) -> Self {
        Self::from_parts(Exit::Device, &error, error.hint())
    }
}

impl From<ReplayError> for CliError {
    fn from(error: ReplayError) -> Self {
        let exit = match error.is_out_of_memory() {
            true => Exit::Output,
            false => Exit::Usage,
        };
        Self::from_parts(exit, &error, error.hint())
    }
}

impl From<SaltError> for CliError {
    fn from(error: SaltError) -> Self {
        Self::from_parts(Exit::Unexpected, &error, None)
    }
}

impl From<serde_json::Error> for CliError {
    fn from(error: serde_json::Error) -> Self {
        Self::from_parts(
            Exit::Unexpected,
            format!("cannot state this as JSON: {error}"),
            None,
        )
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::device::cuda::CudaError;
    use crate::kernels::KernelError;
    use crate::result::parse;

    #[test]
    fn every_kind_of_error_has_its_exit_code_its_line_and_its_next_step() {
        let out_of_memory = CudaError::OutOfMemory { needed: 4, free: 3 };
        let errors: [CliError; 8] = [
            crate::config::load::model("qwen").unwrap_err().into(),
            "qwen".parse::<crate::model::Model>().unwrap_err().into(),
            parse(b"{}").unwrap_err().into(),
            RunError::from(KernelError::NotBuilt).into(),
            RunError::from(CudaError::NoDriver).into(),
            RunError::from(out_of_memory).into(),
            RunError::UnknownFamily {
                found: "memry".to_owned(),
                known: "memory".to_owned(),
            }
            .into(),
            SynthError::Exists {
                path: PathBuf::from("model.gguf"),
            }
            .into(),
        ];
        let lines = errors.map(|error| {
            let hint = error.hint.unwrap_or_else(|| "none".to_owned());
            format!("{} {}\n  hint: {hint}", error.exit.code(), error.message)
        });
        insta::assert_snapshot!(lines.join("\n"));
    }
}
