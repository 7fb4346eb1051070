//! Finds a configuration by name or path, reads it, and resolves what a target refers to.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::builtin::{self, Role, built_in_names};
use super::check::Failure;
use super::error::ConfigError;
use super::machine::Machine;
use super::model::Model;
use super::parse::{Document, one_line};
use super::source::ConfigSource;
use super::target::{Target, TargetFile};

/// The most that is read of a file; a configuration is a few kilobytes.
const LIMIT_BYTES: u64 = 1 << 20;

/// A text with its origin, before it is parsed.
struct Text {
    path: String,
    built_in: bool,
    text: String,
}

/// A machine by built-in name or by path.
///
/// An argument with a `/`, or ending in `.yaml` or `.yml`, is a path; anything else is a built-in name.
///
/// # Errors
///
/// Any [`ConfigError`] but `NoTarget` and `OtherModel`.
pub fn machine(argument: &str) -> Result<Machine, ConfigError> {
    parse_machine(&read(Role::Machine, argument)?)
}

/// A model by built-in name or by path.
///
/// # Errors
///
/// As [`machine`].
pub fn model(argument: &str) -> Result<Model, ConfigError> {
    parse_model(&read(Role::Model, argument)?)
}

/// The targets that an argument stands for: a target, a machine (all built-in targets of it), or the file of either.
///
/// # Errors
///
/// As [`machine`], and `NoTarget` for a machine that no built-in target names.
pub fn targets(argument: &str) -> Result<Vec<Target>, ConfigError> {
    if is_path(argument) {
        let text = read(Role::Target, argument)?;
        return match top_level_key(&text.text, "sm_target") {
            true => targets_of(&parse_machine(&text)?),
            false => parse_target(&text).map(|target| vec![target]),
        };
    }
    if builtin::find(Role::Machine, argument).is_some() {
        return targets_of(&machine(argument)?);
    }
    if let Some(file) = builtin::find(Role::Target, argument) {
        return parse_target(&Text::from(file)).map(|target| vec![target]);
    }
    let known = [Role::Target, Role::Machine].map(built_in_names).concat();
    Err(unknown(Role::Target, argument, known))
}

/// Every built-in machine.
///
/// # Errors
///
/// None: a test loads every built-in file.
pub fn built_in_machines() -> Result<Vec<Machine>, ConfigError> {
    builtin::of_role(Role::Machine)
        .map(|file| parse_machine(&Text::from(file)))
        .collect()
}

/// Every built-in target.
///
/// # Errors
///
/// None: a test loads every built-in file.
pub fn built_in_targets() -> Result<Vec<Target>, ConfigError> {
    builtin::of_role(Role::Target)
        .map(|file| parse_target(&Text::from(file)))
        .collect()
}

/// The built-in machine that a device is, by its name and compute capability.
pub fn machine_for_device(name: &str, compute_capability: (u32, u32)) -> Option<Machine> {
    built_in_machines()
        .ok()?
        .into_iter()
        .find(|machine| machine.is_device(name, compute_capability))
}

/// Those of the targets that are for a model, with that model in place of the one they name.
///
/// # Errors
///
/// `OtherModel` if none is.
pub fn only_model(targets: Vec<Target>, model: &Model) -> Result<Vec<Target>, ConfigError> {
    let mut wanted: Vec<String> = Vec::new();
    let mut chosen = Vec::new();
    for target in targets {
        if target.model.name == model.name {
            let target = Target {
                model: model.clone(),
                ..target
            };
            document(Role::Target, &target.source).check(target.check())?;
            chosen.push(target);
        } else if !wanted.contains(&target.model.name) {
            wanted.push(target.model.name);
        }
    }
    if chosen.is_empty() {
        return Err(ConfigError::OtherModel {
            wanted: wanted.join(" and "),
            given: model.name.clone(),
        });
    }
    Ok(chosen)
}

fn targets_of(machine: &Machine) -> Result<Vec<Target>, ConfigError> {
    let targets: Vec<Target> = built_in_targets()?
        .into_iter()
        .filter(|target| target.machine.name == machine.name)
        .map(|target| Target {
            machine: machine.clone(),
            ..target
        })
        .collect();
    if targets.is_empty() {
        return Err(ConfigError::NoTarget {
            machine: machine.name.clone(),
        });
    }
    Ok(targets)
}

fn parse_machine(text: &Text) -> Result<Machine, ConfigError> {
    let document = text.document(Role::Machine);
    let mut machine: Machine = document.parse()?;
    document.check(machine.check())?;
    machine.source = text.source(&machine.name);
    Ok(machine)
}

fn parse_model(text: &Text) -> Result<Model, ConfigError> {
    let document = text.document(Role::Model);
    let mut model: Model = document.parse()?;
    document.check(model.check())?;
    model.source = text.source(&model.name);
    Ok(model)
}

fn parse_target(text: &Text) -> Result<Target, ConfigError> {
    let document = text.document(Role::Target);
    let file: TargetFile = document.parse()?;
    let machine = refer(text, Role::Machine, &file.machine)?;
    let model = refer(text, Role::Model, &file.model)?;
    let target = Target {
        source: text.source(&file.name),
        name: file.name,
        description: file.description,
        machine: parse_machine(&machine)?,
        model: parse_model(&model)?,
        contexts_tokens: file.contexts_tokens,
        corpus: file.corpus,
        prefill_tokens: file.prefill_tokens,
        goals: file.goals,
        baselines: file.baselines,
    };
    document.check(target.check())?;
    Ok(target)
}

/// Reads what a target names: a built-in name, or a path relative to the target's file.
fn refer(from: &Text, role: Role, reference: &str) -> Result<Text, ConfigError> {
    let document = from.document(Role::Target);
    let here = |error: &ConfigError| {
        let mut failure = Failure::new(role.word(), error.to_string());
        failure.hint = error.hint();
        document.fail(failure)
    };
    if is_path(reference) && from.built_in {
        let failure = Failure::new(
            role.word(),
            format!("a path, `{reference}`, in a built-in file"),
        );
        return Err(document.fail(failure));
    }
    let argument = match (is_path(reference), Path::new(&from.path).parent()) {
        (true, Some(folder)) => folder.join(reference).display().to_string(),
        _ => reference.to_owned(),
    };
    read(role, &argument).map_err(|error| match error {
        ConfigError::At { .. } => error,
        other => here(&other),
    })
}

fn read(role: Role, argument: &str) -> Result<Text, ConfigError> {
    if is_path(argument) {
        return read_file(argument);
    }
    match builtin::find(role, argument) {
        Some(file) => Ok(Text::from(file)),
        None => Err(unknown(role, argument, built_in_names(role))),
    }
}

fn read_file(path: &str) -> Result<Text, ConfigError> {
    let failed = |error: io::Error| ConfigError::Read {
        path: path.to_owned(),
        reason: reason(&error),
        kind: error.kind(),
    };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LIMIT_BYTES + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    if bytes.len() as u64 > LIMIT_BYTES {
        return Err(ConfigError::TooLarge {
            path: path.to_owned(),
            limit_bytes: LIMIT_BYTES,
        });
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Text {
            path: path.to_owned(),
            built_in: false,
            text,
        }),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let before = &error.as_bytes()[..at];
            let line_start = before
                .iter()
                .rposition(|b| *b == b'\n')
                .map_or(0, |n| n + 1);
            Err(ConfigError::At {
                path: path.to_owned(),
                line: before.iter().filter(|b| **b == b'\n').count() + 1,
                column: String::from_utf8_lossy(&before[line_start..])
                    .chars()
                    .count()
                    + 1,
                message: format!("expected UTF-8, found byte 0x{:02x}", error.as_bytes()[at]),
                hint: Some("save the file as UTF-8 text".to_owned()),
            })
        }
    }
}

/// The operating system's words, without the number that `io::Error` appends, in lower case.
fn reason(error: &io::Error) -> String {
    let said = error.to_string();
    let words = said.split(" (os error").next().unwrap_or(&said);
    let mut chars = words.chars();
    chars
        .next()
        .map(|first| first.to_lowercase().chain(chars).collect())
        .unwrap_or_default()
}

fn is_path(argument: &str) -> bool {
    argument.contains('/') || argument.ends_with(".yaml") || argument.ends_with(".yml")
}

fn top_level_key(text: &str, key: &str) -> bool {
    text.lines().any(|line| {
        line.strip_prefix(key)
            .is_some_and(|rest| rest.starts_with(':'))
    })
}

fn unknown(role: Role, name: &str, known: Vec<&str>) -> ConfigError {
    ConfigError::UnknownName {
        role: role.word(),
        name: one_line(name),
        known: known.into_iter().map(str::to_owned).collect(),
    }
}

fn document(role: Role, source: &ConfigSource) -> Document<'_> {
    Document {
        path: &source.path,
        text: &source.text,
        role: role.word(),
    }
}

impl Text {
    fn document(&self, role: Role) -> Document<'_> {
        Document {
            path: &self.path,
            text: &self.text,
            role: role.word(),
        }
    }

    fn source(&self, name: &str) -> ConfigSource {
        ConfigSource::new(name, &self.path, self.built_in, &self.text)
    }
}

impl From<&builtin::BuiltIn> for Text {
    fn from(file: &builtin::BuiltIn) -> Self {
        Self {
            path: file.path.to_owned(),
            built_in: true,
            text: file.text.to_owned(),
        }
    }
}
