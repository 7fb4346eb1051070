//! One translation unit per kernel family: nvcc makes a fatbin from a single file only.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::digest::sha256_hex;

/// Where the sources seem to lie to the compiler: the same in every checkout, so that no path of a machine gets into
/// an image through `__FILE__`.
const VIRTUAL_ROOT: &str = "/sparkbench";

/// All sources of a family as one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amalgam {
    /// The text to compile.
    pub text: String,
    /// SHA-256 of every source in it, by path from the root of the repository.
    pub sources: BTreeMap<String, String>,
}

/// Joins `units` (paths from `kernels/`) in their order. Our own headers (`#include "x.cuh"`, beside the includer or in
/// `kernels/include/`; `"family/x.cuh"` of another family) are inlined where they are first included, so they must not stand inside of a condition;
/// headers of the toolkit (`#include <x>`) are left to nvcc.
pub fn amalgamate(root: &Path, units: &[String]) -> Result<Amalgam, String> {
    let mut amalgam = Amalgam {
        text: String::new(),
        sources: BTreeMap::new(),
    };
    let mut seen = BTreeSet::new();
    for unit in units {
        append(root, &format!("kernels/{unit}"), &mut seen, &mut amalgam)?;
    }
    Ok(amalgam)
}

fn append(
    root: &Path,
    path: &str,
    seen: &mut BTreeSet<String>,
    amalgam: &mut Amalgam,
) -> Result<(), String> {
    if !seen.insert(path.to_owned()) {
        return Ok(());
    }
    let source =
        fs::read_to_string(root.join(path)).map_err(|e| format!("cannot read {path}: {e}"))?;
    amalgam
        .sources
        .insert(path.to_owned(), sha256_hex(source.as_bytes()));
    amalgam.text.push_str(&line_directive(1, path));
    for (number, line) in (1..).zip(source.lines()) {
        if let Some(name) = own_header(line) {
            let header = find_header(root, path, name).ok_or_else(|| {
                format!(
                    "{path}:{number}: {name:?} is neither beside this file nor in kernels/include"
                )
            })?;
            append(root, &header, seen, amalgam)?;
            amalgam.text.push_str(&line_directive(number + 1, path));
        } else {
            // Inlined once by construction; nvcc warns of the pragma in a main file.
            let line = if line.trim() == "#pragma once" {
                ""
            } else {
                line
            };
            amalgam.text.push_str(line);
            amalgam.text.push('\n');
        }
    }
    Ok(())
}

fn line_directive(line: usize, path: &str) -> String {
    format!("#line {line} \"{VIRTUAL_ROOT}/{path}\"\n")
}

fn own_header(line: &str) -> Option<&str> {
    let rest = line.trim().strip_prefix('#')?.trim_start();
    let rest = rest.strip_prefix("include")?.trim_start();
    rest.strip_prefix('"')?.split('"').next()
}

/// The path from the root of the header `name`, included by `includer`. A path has one form, or a header reached by two
/// would be inlined twice; so `..` is refused.
fn find_header(root: &Path, includer: &str, name: &str) -> Option<String> {
    if name.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return None;
    }
    let (directory, _) = includer.rsplit_once('/')?;
    [directory, "kernels/include", "kernels"]
        .iter()
        .map(|directory| format!("{directory}/{name}"))
        .find(|path| root.join(path).is_file())
}
