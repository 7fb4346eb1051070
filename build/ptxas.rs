//! What `ptxas -v` says of each kernel.

use std::collections::BTreeMap;

use super::manifest::KernelResources;

/// Per architecture and kernel, what ptxas allotted.
pub type Resources = BTreeMap<String, BTreeMap<String, KernelResources>>;

/// Reads the log of one nvcc run.
///
/// The lines of interest, of which the second and third also come for functions that are no kernels:
/// ```text
/// ptxas info    : Compiling entry function 'kv_read' for 'sm_90'
/// ptxas info    : Function properties for kv_read
///     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
/// ptxas info    : Used 20 registers, used 1 barriers, 1024 bytes smem
/// ```
pub fn parse(log: &str) -> Result<Resources, String> {
    let mut resources = Resources::new();
    let mut kernel: Option<(&str, &str)> = None;
    let mut function = "";
    for line in log.lines() {
        if let Some(rest) = after(line, "Compiling entry function '") {
            let mut quoted = rest.split('\'');
            let (Some(name), _, Some(architecture)) = (quoted.next(), quoted.next(), quoted.next())
            else {
                return Err(unknown(line));
            };
            kernel = Some((architecture, name));
            resources
                .entry(architecture.to_owned())
                .or_default()
                .insert(name.to_owned(), KernelResources::default());
        } else if let Some(name) = after(line, "Function properties for ") {
            function = name.trim();
        } else if let Some((architecture, name)) = kernel {
            let Some(of) = resources
                .get_mut(architecture)
                .and_then(|kernels| kernels.get_mut(name))
            else {
                return Err(unknown(line));
            };
            if line.contains("bytes stack frame") && function == name {
                of.stack_bytes = number_before(line, " bytes stack frame")?;
                of.spill_store_bytes = number_before(line, " bytes spill stores")?;
                of.spill_load_bytes = number_before(line, " bytes spill loads")?;
            } else if line.contains("ptxas info") && line.contains(" registers") {
                of.registers = number_before(line, " registers")?;
                if line.contains(" bytes smem") {
                    of.shared_bytes = number_before(line, " bytes smem")?;
                }
            }
        }
    }
    let silent = resources.iter().find_map(|(architecture, kernels)| {
        let (name, _) = kernels.iter().find(|(_, of)| of.registers == 0)?;
        Some(format!(
            "ptxas says nothing of the registers of {name} on {architecture}"
        ))
    });
    silent.map_or(Ok(resources), Err)
}

/// The kernels that spill registers, as one line; `None` if none does.
pub fn spills(resources: &Resources) -> Option<String> {
    let spilling: Vec<String> = resources
        .iter()
        .flat_map(|(architecture, kernels)| {
            kernels
                .iter()
                .map(move |(name, of)| (architecture, name, of))
        })
        .filter(|(_, _, of)| of.spill_store_bytes + of.spill_load_bytes > 0)
        .map(|(architecture, name, of)| {
            format!(
                "{name} on {architecture} ({} bytes stored, {} loaded)",
                of.spill_store_bytes, of.spill_load_bytes
            )
        })
        .collect();
    (!spilling.is_empty()).then(|| format!("registers spill in {}", spilling.join(", ")))
}

fn after<'a>(line: &'a str, marker: &str) -> Option<&'a str> {
    line.split_once(marker).map(|(_, rest)| rest)
}

fn number_before(line: &str, marker: &str) -> Result<u32, String> {
    line.split_once(marker)
        .and_then(|(before, _)| {
            before
                .rsplit(|c: char| !c.is_ascii_digit())
                .next()?
                .parse()
                .ok()
        })
        .ok_or_else(|| unknown(line))
}

fn unknown(line: &str) -> String {
    format!("unknown line of ptxas: {line:?}")
}
