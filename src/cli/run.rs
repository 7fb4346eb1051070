//! `sparkbench run`: measures, shows, and keeps the result.

use crate::bench::e2e::Fill;
use crate::config::load;
use crate::result::{CaseStatus, Payload, Salt, SessionStatus, seal};
use crate::run::{self, DeviceChoice, Request, WeightsChoice};
use crate::ui::progress::Progress;
use crate::ui::{self, terminal};

use super::args::{Device, FillArgument, RunArgs};
use super::error::CliError;
use super::exit::Exit;
use super::interrupt::Interrupt;
use super::keep::keep;
use super::output::{show, show_json};

/// The word that stands for synthetic weights in place of a file.
const SYNTHETIC: &str = "synthetic";

/// Runs, or with `--dry-run` only plans.
pub fn run(args: &RunArgs, arguments: Vec<String>) -> Result<Exit, CliError> {
    let request = request(args, arguments)?;
    if args.dry_run {
        let plan = run::plan(&request)?;
        match args.json {
            true => show_json(&plan)?,
            false => show(&ui::plan::render(&plan))?,
        }
        return Ok(Exit::Done);
    }
    // Whatever can fail does so before the first measurement.
    let salt = args.redact.then(Salt::of_this_rig).transpose()?;
    let interrupt = Interrupt::install().map_err(CliError::signals)?;
    let progress = Progress::new(args.quiet);
    let ended = run::run(&request, &progress, interrupt.flag());
    progress.finish();
    let mut payload = ended?;
    if let Some((salt, warning)) = salt {
        payload.warnings.extend(warning);
        payload.redact(&salt);
    }
    show_and_keep(args, &payload)?;
    outcome(&payload, &interrupt)
}

fn request(args: &RunArgs, arguments: Vec<String>) -> Result<Request, CliError> {
    let model = args.model.as_deref().map(load::model).transpose()?;
    let targets = match (&args.target, &model) {
        (None, _) => Vec::new(),
        (Some(name), None) => load::targets(name)?,
        (Some(name), Some(model)) => load::only_model(load::targets(name)?, model)?,
    };
    let memory_limit = args.memory_limit.as_deref().map(limit).transpose()?;
    Ok(Request {
        families: args.families.clone(),
        only: args.only.clone(),
        targets,
        models: model.into_iter().collect(),
        device: match args.device {
            Device::Auto => DeviceChoice::Auto,
            Device::Cuda(ordinal) => DeviceChoice::Cuda(ordinal),
            Device::Cpu => DeviceChoice::Cpu,
        },
        weights: match &args.weights {
            None => WeightsChoice::Auto,
            Some(word) if word.as_os_str() == SYNTHETIC => WeightsChoice::Synthetic,
            Some(file) => WeightsChoice::File(file.clone()),
        },
        engine: args.engine.clone(),
        beside: args.beside.clone(),
        memory_limit,
        fill: match args.fill {
            FillArgument::Auto => Fill::Auto,
            FillArgument::Prompt => Fill::Prompt,
            FillArgument::Synthetic => Fill::Synthetic,
        },
        stages: args.stages,
        corpus: args.corpus.clone(),
        seed: args.seed,
        arguments,
    })
}

/// Bytes, or those of a machine.
fn limit(argument: &str) -> Result<u64, CliError> {
    match argument.parse() {
        Ok(bytes) => Ok(bytes),
        Err(_) => Ok(load::machine(argument)?.memory_bytes),
    }
}

/// The table first: if the file cannot be written, the figures have at least been seen. A stdout that fails stops
/// nothing until the file is written.
fn show_and_keep(args: &RunArgs, payload: &Payload) -> Result<(), CliError> {
    let sealed = seal(payload);
    let shown = match args.quiet || args.json {
        true => Ok(()),
        false => terminal::print(&ui::session::render(payload)),
    };
    let sealed = sealed?;
    let print = || terminal::print_bytes(sealed.text.as_bytes());
    let mut printed = args.json.then(print);
    // With `--json` the last resort has been printed already.
    let path = keep(&args.out, &sealed, || printed.take().unwrap_or_else(print))?;
    let path = path.display().to_string();
    let said = shown
        .and(printed.unwrap_or(Ok(())))
        .and_then(|()| match (args.quiet, args.json) {
            (true, _) => terminal::print(&path),
            (false, true) => Ok(()),
            (false, false) => terminal::print(&format!("\nresult: {path}")),
        });
    if let Err(error) = said {
        return Err(CliError {
            hint: Some(format!("the result is kept as {path}")),
            ..CliError::stdout(&error)
        });
    }
    if !args.quiet && !args.json {
        terminal::hint(&format!("check it with `sparkbench verify {path}`"));
    }
    Ok(())
}

/// The exit code of a session whose result is kept.
fn outcome(payload: &Payload, interrupt: &Interrupt) -> Result<Exit, CliError> {
    if payload.session.status == SessionStatus::Interrupted {
        return Ok(interrupt.exit());
    }
    let ended = |status: CaseStatus| -> Vec<&str> {
        let cases = payload.cases.iter().filter(|case| case.status == status);
        cases.map(|case| case.id.as_str()).collect()
    };
    let kinds = [
        (CaseStatus::Wrong, Exit::WrongNumbers, "gave wrong outputs"),
        (
            CaseStatus::Invalid,
            Exit::InvalidMeasurement,
            "had an engine that broke the rules",
        ),
        (
            CaseStatus::Failed,
            Exit::InvalidMeasurement,
            "could not be measured",
        ),
        (
            CaseStatus::InfraError,
            Exit::InvalidMeasurement,
            "could not be run",
        ),
    ];
    let found = kinds.into_iter().find_map(|(status, exit, what)| {
        let cases = ended(status);
        Some((exit, what, *cases.first()?, cases.len()))
    });
    let Some((exit, what, first, count)) = found else {
        return Ok(Exit::Done);
    };
    let noun = if count == 1 { "case" } else { "cases" };
    Err(CliError::new(
        exit,
        format!("{count} {noun} {what}, {first} first"),
        "the table and the result give the reason of each",
    ))
}
