//! `sparkbench inspect`: what a GGUF file holds and what decoding with it costs.

use crate::config::load;
use crate::gguf::Gguf;
use crate::model::inspect::{self, Machine};
use crate::ui;

use super::args::InspectArgs;
use super::error::CliError;
use super::exit::Exit;
use super::output::{show, show_json};

/// Contexts at which decoding is computed, in tokens.
const CONTEXTS: [u64; 3] = [2048, 32_768, 262_144];

/// Prints the inspection with the limits of every built-in machine.
pub fn inspect(args: &InspectArgs) -> Result<Exit, CliError> {
    let file = Gguf::open(&args.file)?;
    let machines: Vec<Machine> = load::built_in_machines()?
        .into_iter()
        .map(|machine| Machine {
            name: machine.name,
            bandwidth_gbps: machine.bandwidth_gbps,
        })
        .collect();
    let inspection = inspect::inspect(&file, &CONTEXTS, &machines)?;
    match args.json {
        true => show_json(&inspection)?,
        false => show(&ui::inspection::render(&inspection))?,
    }
    Ok(Exit::Done)
}
