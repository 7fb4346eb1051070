//! A model file as tables: what is in it, and what one decoded token moves.

use crate::model::inspect::{AtContext, Decode, Inspection, TypeTotal};
use crate::units::Bytes;

use super::number::significant;
use super::style::Tone;
use super::table::{Side, Table};

/// Heading, tensors by class, hyper-parameters, decoding.
pub fn render(inspection: &Inspection) -> String {
    let mut parts = vec![heading(inspection), classes(inspection)];
    if !inspection.hyper_parameters.is_empty() {
        parts.push(hyper_parameters(inspection));
    }
    match (&inspection.decode, &inspection.no_decode_because) {
        (Some(decode), _) => parts.extend([contexts(decode), limits(decode)]),
        (None, reason) => parts.push(format!(
            "no figures for decoding: {}",
            reason.as_deref().unwrap_or("no reason given")
        )),
    }
    parts.join("\n\n") + "\n"
}

fn heading(inspection: &Inspection) -> String {
    let title = format!(
        "{} ({})",
        inspection.name.as_deref().unwrap_or("unnamed"),
        inspection
            .architecture
            .as_deref()
            .unwrap_or("unknown architecture")
    );
    format!(
        "{}\n{} parameters, {} tensors of {}, file of {}",
        Tone::Strong.paint(&title),
        count(inspection.parameters),
        inspection.tensors,
        Bytes(inspection.tensor_bytes),
        Bytes(inspection.file_bytes)
    )
}

fn classes(inspection: &Inspection) -> String {
    let mut table = Table::new(&[
        ("class", Side::Left),
        ("tensors", Side::Right),
        ("parameters", Side::Right),
        ("size", Side::Right),
        ("per token", Side::Right),
        ("types", Side::Left),
    ]);
    for total in &inspection.classes {
        table.row([
            total.class.title().to_owned(),
            total.tensors.to_string(),
            count(total.parameters),
            Bytes(total.bytes).to_string(),
            read_per_token(inspection, total.class.title()),
            types(&total.types),
        ]);
    }
    let read = inspection.decode.as_ref().map_or(String::new(), |decode| {
        Bytes(decode.weights_read_bytes).to_string()
    });
    let sums = [
        "all".to_owned(),
        inspection.tensors.to_string(),
        count(inspection.parameters),
        Bytes(inspection.tensor_bytes).to_string(),
        read,
        String::new(),
    ];
    table.toned_row(sums.map(|sum| (sum, Tone::Strong)));
    table.render()
}

fn read_per_token(inspection: &Inspection, class: &str) -> String {
    inspection
        .decode
        .as_ref()
        .and_then(|decode| {
            let mut classes = decode.weights_by_class.iter();
            classes.find(|read| read.class.title() == class)
        })
        .map_or("–".to_owned(), |read| Bytes(read.bytes).to_string())
}

fn types(totals: &[TypeTotal]) -> String {
    let names: Vec<String> = totals
        .iter()
        .map(|total| format!("{} x{}", total.r#type, total.tensors))
        .collect();
    names.join(", ")
}

fn hyper_parameters(inspection: &Inspection) -> String {
    let mut table = Table::new(&[("hyper-parameter", Side::Left), ("value", Side::Left)]);
    for parameter in &inspection.hyper_parameters {
        table.row([parameter.key.clone(), parameter.value.to_string()]);
    }
    table.render()
}

fn contexts(decode: &Decode) -> String {
    let mut table = Table::new(&[
        ("one token at context", Side::Right),
        ("weights", Side::Right),
        ("KV cache", Side::Right),
        ("state", Side::Right),
        ("moved", Side::Right),
        ("in memory", Side::Right),
    ]);
    for at in &decode.contexts {
        table.row([
            at.context_tokens.to_string(),
            Bytes(decode.weights_read_bytes).to_string(),
            Bytes(at.kv_bytes).to_string(),
            Bytes(decode.state_moved_bytes).to_string(),
            Bytes(at.moved_bytes).to_string(),
            Bytes(at.resident_bytes).to_string(),
        ]);
    }
    format!(
        "{}\nkeys and values as {}; without compute buffers",
        table.render(),
        decode.kv_type
    )
}

/// One row per machine, one column per context.
fn limits(decode: &Decode) -> String {
    let headings: Vec<String> = decode
        .contexts
        .iter()
        .map(|at| format!("tok/s at {}", at.context_tokens))
        .collect();
    let mut columns = vec![
        ("bandwidth limit (modelled)", Side::Left),
        ("data sheet", Side::Right),
    ];
    columns.extend(
        headings
            .iter()
            .map(|heading| (heading.as_str(), Side::Right)),
    );
    let mut table = Table::new(&columns);
    let machines = decode.contexts.first().map_or(&[][..], |at| &at.limits);
    for machine in machines {
        let mut cells = vec![
            machine.machine.clone(),
            format!("{} GB/s", significant(machine.bandwidth_gbps)),
        ];
        cells.extend(decode.contexts.iter().map(|at| limit(at, &machine.machine)));
        table.row(cells);
    }
    table.render()
}

fn limit(at: &AtContext, machine: &str) -> String {
    let limit = at.limits.iter().find(|limit| limit.machine == machine);
    limit.map_or("–".to_owned(), |limit| significant(limit.tokens_per_s))
}

/// 35.95 G, 409.6 M, 2048.
fn count(parameters: u64) -> String {
    match parameters as f64 {
        n if n >= 1e9 => format!("{} G", significant(n / 1e9)),
        n if n >= 1e6 => format!("{} M", significant(n / 1e6)),
        _ => parameters.to_string(),
    }
}
