//! The plan as a table: what `run --dry-run` prints.

use crate::result::{PlanRecord, Scale};
use crate::units::Bytes;

use super::number::duration_ns;
use super::style::Tone;
use super::table::{Side, Table};

/// Cases with bytes, memory and estimated time, and their sums.
pub fn render(plan: &PlanRecord) -> String {
    let mut table = Table::new(&[
        ("case", Side::Left),
        ("per operation", Side::Right),
        ("memory", Side::Right),
        ("time (modelled)", Side::Right),
    ]);
    for case in &plan.cases {
        table.row([
            case.id.clone(),
            Bytes(case.bytes_per_operation).to_string(),
            Bytes(case.memory_bytes).to_string(),
            duration_ns(case.estimate_ns as f64),
        ]);
    }
    table.toned_row([
        (format!("{} cases", plan.cases.len()), Tone::Strong),
        (String::new(), Tone::Plain),
        (Bytes(plan.memory_bytes).to_string(), Tone::Strong),
        (duration_ns(plan.estimate_ns as f64), Tone::Strong),
    ]);
    let scale = match plan.scale {
        Scale::Full => "full",
        Scale::Small => "small (CPU device; figures are not comparable)",
    };
    format!(
        "{}\n\nfamilies {}, size {scale}, plan {}\n",
        table.render(),
        plan.families.join(", "),
        &plan.sha256.get(..16).unwrap_or(&plan.sha256),
    )
}
