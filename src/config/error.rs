//! What can be wrong with a configuration, as one line and a hint.

use std::io;

use super::builtin::{Role, find};
use super::suggest::nearest;

/// Why a configuration cannot be used. Every variant is a usage error (exit code 2).
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be opened or read.
    #[error("cannot read {path}: {reason}")]
    Read {
        /// As given.
        path: String,
        /// The operating system's reason, in its own words.
        reason: String,
        /// Its kind.
        kind: io::ErrorKind,
    },
    /// The file is larger than any configuration.
    #[error("{path}: expected at most {limit_bytes} bytes, found more")]
    TooLarge {
        /// As given.
        path: String,
        /// The most that is read.
        limit_bytes: u64,
    },
    /// The text is wrong at a place.
    #[error("{path}:{line}:{column}: {message}")]
    At {
        /// As given; in the repository for a built-in file.
        path: String,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// A name that is no built-in one.
    #[error("unknown {role} `{name}`")]
    UnknownName {
        /// `machine`, `model` or `target`.
        role: &'static str,
        /// As given.
        name: String,
        /// The names that exist.
        known: Vec<String>,
    },
    /// A machine without a single target.
    #[error("no target names the machine `{machine}`")]
    NoTarget {
        /// The machine's name.
        machine: String,
    },
    /// A model that none of the chosen targets is for.
    #[error("the chosen target is for {wanted}, not for `{given}`")]
    OtherModel {
        /// Models of the chosen targets.
        wanted: String,
        /// The model that was asked for.
        given: String,
    },
}

impl ConfigError {
    /// The next step, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Read { kind, path, .. } => match kind {
                io::ErrorKind::NotFound => Some(match built_in_stem(path) {
                    Some(stem) => {
                        format!("a built-in configuration is named without a path: `{stem}`")
                    }
                    None => "see `sparkbench targets` for the built-in names".to_owned(),
                }),
                io::ErrorKind::IsADirectory => Some("name one file in it".to_owned()),
                _ => None,
            },
            Self::TooLarge { .. } => {
                Some("is this a model file in place of a YAML file?".to_owned())
            }
            Self::At { hint, .. } => hint.clone(),
            Self::UnknownName { name, known, .. } => Some(match nearest(name, known) {
                Some(near) => {
                    format!("did you mean `{near}`? a path has a `/` or ends in .yaml")
                }
                None => format!(
                    "known: {}; a path has a `/` or ends in .yaml",
                    known.join(", ")
                ),
            }),
            Self::NoTarget { .. } => Some(
                "write a target file with `machine:` set to the path of the machine file"
                    .to_owned(),
            ),
            Self::OtherModel { .. } => {
                Some("name a target of that model with --target, or leave --model out".to_owned())
            }
        }
    }
}

/// The name of a built-in configuration that a missing path ends in.
fn built_in_stem(path: &str) -> Option<&str> {
    let file = path.rsplit('/').next()?;
    let stem = file.strip_suffix(".yaml").or(file.strip_suffix(".yml"))?;
    [Role::Machine, Role::Model, Role::Target]
        .iter()
        .any(|role| find(*role, stem).is_some())
        .then_some(stem)
}
