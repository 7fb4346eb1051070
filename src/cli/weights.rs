//! `sparkbench weights`: makes model files.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use crate::model::synth::{self, SynthError};
use crate::model::{Mix, Model};
use crate::ui::progress::ByteProgress;
use crate::units::Bytes;

use super::args::SynthArgs;
use super::error::CliError;
use super::exit::Exit;
use super::interrupt::Interrupt;
use super::output::{show, show_json};

/// Writes a synthetic file and prints its SHA-256 in the form of `sha256sum`.
pub fn synth(args: &SynthArgs) -> Result<Exit, CliError> {
    let model: Model = args.model.parse()?;
    let mix = match &args.mix {
        Some(name) => Mix::parse(model, name)?,
        None => Mix::pinned(model),
    };
    let interrupt = Interrupt::install().map_err(CliError::signals)?;
    let plan = synth::plan(model, args.scale, mix, args.seed)?;
    let progress = ByteProgress::new(plan.file_bytes());
    let written = synth::write(&plan, &args.out, |bytes| {
        progress.reached(bytes);
        match interrupt.flag().load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    progress.finish();
    let report = written.map_err(|error| match error {
        SynthError::Interrupted { .. } => CliError {
            exit: interrupt.exit(),
            ..error.into()
        },
        error => error.into(),
    })?;
    match args.json {
        true => show_json(&report)?,
        false => show(&format!(
            "{}  {}\n{}, {} {}, mix {mix}, seed {}",
            report.sha256,
            args.out.display(),
            Bytes(report.bytes),
            args.scale.name(),
            model.title(),
            args.seed
        ))?,
    }
    Ok(Exit::Done)
}
