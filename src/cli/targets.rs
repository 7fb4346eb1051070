//! `sparkbench targets`: the built-in machines, models and targets.

use crate::config::{self, Role, load};
use crate::ui;

use super::args::JsonArgs;
use super::error::CliError;
use super::exit::Exit;
use super::output::{show, show_json};

/// Prints them as tables or as JSON.
pub fn list(args: &JsonArgs) -> Result<Exit, CliError> {
    let machines = load::built_in_machines()?;
    let models = config::built_in_names(Role::Model)
        .into_iter()
        .map(load::model)
        .collect::<Result<Vec<_>, _>>()?;
    let targets = load::built_in_targets()?;
    match args.json {
        true => show_json(&serde_json::json!({
            "machines": machines,
            "models": models,
            "targets": targets,
        }))?,
        false => show(&ui::targets::render(&machines, &models, &targets))?,
    }
    Ok(Exit::Done)
}
