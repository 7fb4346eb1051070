//! Level 3: what the commit gave when it was built again, against what the result states. Builds nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::context::Context;
use super::outcome::{Findings, Outcome};
use crate::result::Reading;

/// Per architecture (`sm_90`), the SHA-256 of what the device executes.
pub type CodeDigests = BTreeMap<String, String>;

/// What the commit of a result gave when it was built again.
#[derive(Debug, Clone, PartialEq)]
pub struct Rebuilt {
    /// The commands that were run.
    pub commands: Vec<String>,
    /// The program, or why it was not built.
    pub runner: Reading<RebuiltRunner>,
    /// The kernel images, or why they were not.
    pub kernels: Reading<RebuiltKernels>,
}

/// The program as Nix built it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RebuiltRunner {
    /// Its store path.
    pub store_path: String,
    /// The NAR hash of that path.
    pub nar_hash: String,
    /// SHA-256 of its executables.
    pub executables_sha256: BTreeSet<String>,
}

/// Kernel images that were compiled again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RebuiltKernels {
    /// By target, where Nix built them; empty otherwise.
    pub store_paths: BTreeMap<String, String>,
    /// By family.
    pub code_sha256: BTreeMap<String, CodeDigests>,
}

impl Rebuilt {
    /// Nothing was built, for these reasons.
    pub fn nothing(runner: impl Into<String>, kernels: impl Into<String>) -> Self {
        Self {
            commands: Vec::new(),
            runner: Reading::missing(runner),
            kernels: Reading::missing(kernels),
        }
    }
}

/// What was built again of what `part` names, or the outcome where nothing was.
fn rebuilt<'a, T>(
    context: &Context<'a>,
    part: impl Fn(&'a Rebuilt) -> &'a Reading<T>,
) -> Result<&'a T, Outcome> {
    match context.rebuilt {
        None => Err(Outcome::skipped("not asked for; see --rebuild")),
        Some(Err(why)) => Err(Outcome::fail(format!("cannot be built again: {why}"))),
        Some(Ok(rebuilt)) => {
            let part = part(rebuilt);
            let skipped = || Outcome::skipped(part.reason().unwrap_or("not built"));
            part.value().ok_or_else(skipped)
        }
    }
}

/// The program.
pub(super) fn runner(context: &Context<'_>) -> Outcome {
    let runner = match rebuilt(context, |rebuilt| &rebuilt.runner) {
        Ok(runner) => runner,
        Err(outcome) => return outcome,
    };
    let build = &context.payload.build;
    let Some(nix) = build.provenance.nix.value() else {
        return Outcome::skipped("the result is not of a build by Nix");
    };
    let mut findings = Findings::default();
    let mut expect = |name: &str, stated: &String, found: &String| {
        findings.expect(stated == found, || {
            format!("{name}: stated {stated}, the commit gives {found}")
        });
    };
    expect("store path", &nix.runner_store_path, &runner.store_path);
    if let Some(stated) = nix.runner_nar_hash.value() {
        expect("NAR hash", stated, &runner.nar_hash);
    }
    if let Some(stated) = build.executable_sha256.value() {
        findings.expect(runner.executables_sha256.contains(stated), || {
            format!("the executable {stated} is none of those that the commit gives")
        });
    }
    findings.outcome()
}

/// The kernel images.
pub(super) fn kernels(context: &Context<'_>) -> Outcome {
    let kernels = match rebuilt(context, |rebuilt| &rebuilt.kernels) {
        Ok(kernels) => kernels,
        Err(outcome) => return outcome,
    };
    let mut findings = Findings::default();
    let nix = context.payload.build.provenance.nix.value();
    for (target, found) in &kernels.store_paths {
        let stated = nix.and_then(|nix| nix.kernels_store_paths.get(target));
        findings.expect(stated == Some(found), || {
            let stated = stated.map_or("none", String::as_str);
            format!("kernels-{target}: stated {stated}, the commit gives {found}")
        });
    }
    for image in &context.payload.images {
        let family = &image.manifest.family;
        for (architecture, stated) in &image.manifest.code_sha256 {
            let digests = kernels.code_sha256.get(family);
            let found = digests.and_then(|digests| digests.get(architecture));
            findings.expect(found == Some(stated), || {
                let found = found.map_or("none", String::as_str);
                format!("{family}, {architecture}: stated code {stated}, the commit gives {found}")
            });
        }
    }
    let nothing = context.payload.images.is_empty() && kernels.store_paths.is_empty();
    match nothing {
        true => Outcome::skipped("no kernel image was loaded"),
        false => findings.outcome(),
    }
}
