//! The built-in configurations as tables.

use crate::config::{Goal, GoalKind, Machine, Model, Target, Wanted};
use crate::units::Bytes;

use super::number::significant;
use super::table::{Side, Table};

/// Machines, models, and the targets with their goals.
pub fn render(machines: &[Machine], models: &[Model], targets: &[Target]) -> String {
    [
        render_machines(machines),
        render_models(models),
        render_targets(targets),
    ]
    .join("\n\n")
        + "\n"
}

fn render_machines(machines: &[Machine]) -> String {
    let mut table = Table::new(&[
        ("machine", Side::Left),
        ("image", Side::Left),
        ("memory", Side::Right),
        ("data sheet", Side::Right),
        ("", Side::Left),
    ]);
    for machine in machines {
        let role = match machine.edge_target {
            true => "",
            false => "no edge target",
        };
        table.row([
            machine.name.as_str(),
            &machine.sm_target,
            &Bytes(machine.memory_bytes).to_string(),
            &format!("{} GB/s", significant(machine.bandwidth_gbps)),
            role,
        ]);
    }
    table.render()
}

fn render_models(models: &[Model]) -> String {
    let mut table = Table::new(&[
        ("model", Side::Left),
        ("publisher's name", Side::Left),
        ("layers", Side::Right),
        ("experts", Side::Right),
        ("context", Side::Right),
    ]);
    for model in models {
        let experts = &model.experts;
        table.row([
            model.name.as_str(),
            &model.title,
            &model.layer_count.to_string(),
            &format!("{} of {}", experts.per_token, experts.count),
            &model.context_max_tokens.to_string(),
        ]);
    }
    table.render()
}

fn render_targets(targets: &[Target]) -> String {
    let mut table = Table::new(&[
        ("target", Side::Left),
        ("context", Side::Right),
        ("goal", Side::Left),
        ("", Side::Left),
    ]);
    for target in targets {
        table.group(&target.name);
        for goal in &target.goals {
            let kind = match goal.kind {
                GoalKind::Headline => "headline",
                GoalKind::Stretch => "stretch",
            };
            table.row(["", &goal.context_tokens.to_string(), &wanted(goal), kind]);
        }
    }
    table.render()
}

fn wanted(goal: &Goal) -> String {
    match goal.wanted() {
        Some(Wanted::DecodeTokensPerS(rate)) => format!("decode {rate} tok/s"),
        Some(Wanted::PrefillTokensPerS(rate)) => format!("prefill {rate} tok/s"),
        Some(Wanted::FitsInMemory) => "fits in memory".to_owned(),
        None => "none".to_owned(),
    }
}
