//! Level 1: which program measured, as far as the file alone can tell.

use std::collections::BTreeMap;

use super::context::Context;
use super::file::is_version;
use super::images::flags;
use super::outcome::{Findings, Outcome, Status};
use crate::config::{ConfigSource, Role, built_in_names, load};
use crate::result::ConfigRecord;

/// Whether the bytes of the payload are those that were sealed.
pub(super) fn digest(context: &Context<'_>) -> Outcome {
    let file = context.file;
    let mut findings = Findings::default();
    findings.expect(file.stated_sha256 == file.found_sha256, || {
        format!(
            "payload_sha256 states {}, the payload has {}: it was edited after it was sealed",
            file.stated_sha256, file.found_sha256
        )
    });
    findings.outcome()
}

/// Whether the result names its source.
pub(super) fn commit(context: &Context<'_>) -> Outcome {
    let provenance = &context.payload.build.provenance;
    let missing = match (provenance.commit.value(), provenance.tree.value()) {
        (Some(_), Some(_)) => None,
        // A flake learns its commit and not the commit's tree.
        (Some(_), None) if provenance.nix.value().is_some() => None,
        (None, _) => Some(("commit", provenance.commit.reason())),
        (_, None) => Some(("tree", provenance.tree.reason())),
    };
    match missing {
        None if ["cargo", "file"].contains(&provenance.source.as_str()) => Outcome::pass(),
        None => Outcome::fail(format!(
            "expected the source `cargo` or `file`, found `{}`",
            provenance.source
        )),
        Some((name, reason)) => {
            let finding = format!(
                "the result names no {name}: {}",
                reason.unwrap_or("no reason")
            );
            unpinned(context, finding, "build from a git checkout")
        }
    }
}

/// Whether the program was built from that source and nothing else.
pub(super) fn clean(context: &Context<'_>) -> Outcome {
    match context.payload.build.provenance.dirty.value() {
        Some(false) => Outcome::pass(),
        Some(true) => unpinned(
            context,
            "the program was built from a working copy with uncommitted changes".to_owned(),
            "commit, then measure again",
        ),
        None => unpinned(
            context,
            "nobody knows whether the program was built from a clean commit".to_owned(),
            "build from a git checkout",
        ),
    }
}

/// Whether what stood for nixpkgs is what flake.lock pins. `git.flake_lock` holds revision and hash against the lock.
pub(super) fn nixpkgs(context: &Context<'_>) -> Outcome {
    let provenance = &context.payload.build.provenance;
    let (nix, step) = match (provenance.nix.value(), provenance.nix.reason()) {
        (Some(nix), _) => (nix, "build without overriding nixpkgs"),
        (None, reason) => return Outcome::skipped(reason.unwrap_or("not built by Nix")),
    };
    if nix.stand_in {
        let finding = "built with the stand-in for nixpkgs, whose toolchain is that of the machine";
        return unpinned(context, finding.to_owned(), step);
    }
    let missing = [
        ("revision", &nix.nixpkgs_rev),
        ("hash", &nix.nixpkgs_nar_hash),
    ];
    match missing
        .iter()
        .find_map(|(name, value)| Some((name, value.reason()?)))
    {
        None => Outcome::pass(),
        Some((name, reason)) => {
            let finding = format!("the result names no {name} of nixpkgs: {reason}");
            unpinned(context, finding, step)
        }
    }
}

/// The outcome where a result is no pinned evidence.
pub(super) fn unpinned(context: &Context<'_>, finding: String, step: &str) -> Outcome {
    match context.allow_unpinned {
        true => Outcome::allowed(finding),
        false => Outcome::fail(format!("{finding}; {step}")),
    }
}

pub(super) fn flake_lock(context: &Context<'_>) -> Outcome {
    let digest = &context.payload.build.provenance.flake_lock_sha256;
    match digest.reason() {
        None => Outcome::pass(),
        Some(reason) => {
            let finding = format!("the result has no digest of flake.lock: {reason}");
            match context.payload.build.provenance.nix.value() {
                Some(_) => Outcome::fail(finding),
                None => Outcome::skipped(finding),
            }
        }
    }
}

/// The compiler and its settings.
pub(super) fn build(context: &Context<'_>) -> Outcome {
    let build = &context.payload.build;
    let mut findings = Findings::default();
    let mut expect = |holds: bool, name: &str, form: &str, found: &str| {
        findings.expect(holds, || {
            format!("{name}: expected {form}, found `{found}`")
        });
    };
    expect(
        is_version(&build.version, 3),
        "version",
        "a form like 0.1.0",
        &build.version,
    );
    let rustc = build
        .rustc
        .strip_prefix("rustc ")
        .and_then(|rest| rest.split(' ').next());
    let release = rustc.and_then(|version| version.split('-').next());
    expect(
        release.is_some_and(|r| is_version(r, 3)),
        "rustc",
        "what `rustc -V` prints",
        &build.rustc,
    );
    expect(
        build.target.split('-').count() >= 3,
        "target",
        "a target triple",
        &build.target,
    );
    // Cargo.toml leaves both profiles at their default level.
    let level = match build.profile.as_str() {
        "release" => "3",
        "debug" => "0",
        _ => "",
    };
    expect(
        !level.is_empty(),
        "profile",
        "release or debug",
        &build.profile,
    );
    expect(
        build.opt_level == level,
        "opt_level",
        level,
        &build.opt_level,
    );
    findings.outcome()
}

/// What Nix says against what the program and its images say.
pub(super) fn nix(context: &Context<'_>) -> Outcome {
    let build = &context.payload.build;
    let nix = match (build.provenance.nix.value(), build.provenance.nix.reason()) {
        (Some(nix), _) => nix,
        (None, reason) => return Outcome::skipped(reason.unwrap_or("not built by Nix")),
    };
    let mut findings = Findings::default();
    let mut expect = |holds: bool, finding: String| findings.expect(holds, || finding);
    let source = &build.provenance.source;
    expect(
        source == "file",
        format!("expected the source `file` of a build by Nix, found `{source}`"),
    );
    let mut platform = build.target.split('-');
    let (architecture, system) = (platform.next(), platform.nth(1));
    let expected = format!("{}-{}", architecture.unwrap_or(""), system.unwrap_or(""));
    expect(
        nix.system == expected,
        format!(
            "system: the target {} is {expected}, found `{}`",
            build.target, nix.system
        ),
    );
    expect(
        is_version(&nix.cuda_version, 2),
        format!(
            "cuda_version: expected a form like 13.2, found `{}`",
            nix.cuda_version
        ),
    );
    for image in &context.payload.images {
        let manifest = &image.manifest;
        let (family, nvcc) = (&manifest.family, &manifest.nvcc.version);
        expect(
            nvcc.starts_with(&format!("{}.", nix.cuda_version)),
            format!("{family}: nvcc is {nvcc}, CUDA is {}", nix.cuda_version),
        );
        expect(
            flags(manifest).eq(&nix.nvcc_flags),
            format!("{family}: the arguments of nvcc do not begin with nvcc_flags"),
        );
    }
    findings.outcome()
}

/// The program's sources and kernels against those of this program, where both are of one commit.
pub(super) fn same_build(context: &Context<'_>) -> Outcome {
    let Some(own) = context.same_build() else {
        return Outcome::skipped("the result is not of this program's clean commit");
    };
    let stated = &context.payload.build;
    let mut findings = Findings::default();
    let mut expect = |holds: bool, name: &str| {
        findings.expect(holds, || {
            format!("{name}: another than in this program, which is of the same commit")
        });
    };
    expect(stated.version == own.version, "version");
    expect(stated.source_sha256 == own.source_sha256, "source_sha256");
    for image in &context.payload.images {
        let manifest = &image.manifest;
        // A program built without nvcc has no images to compare with.
        let Some(built) = own.images.get(&manifest.family) else {
            continue;
        };
        expect(manifest.sources == built.sources, "sources");
        expect(
            manifest.amalgam_sha256 == built.amalgam_sha256,
            "amalgam_sha256",
        );
        // Images may be for some of the architectures alone.
        expect(flags(manifest).eq(flags(built)), "arguments");
        if manifest.nvcc == built.nvcc {
            expect(
                agree(&manifest.code_sha256, &built.code_sha256),
                "code_sha256",
            );
            expect(agree(&manifest.kernels, &built.kernels), "kernels");
        }
    }
    findings.outcome()
}

/// Whether two maps have the same values for the keys of both.
fn agree<T: PartialEq>(some: &BTreeMap<String, T>, others: &BTreeMap<String, T>) -> bool {
    some.iter()
        .all(|(key, value)| others.get(key).is_none_or(|other| other == value))
}

/// Configurations with the name or the text of a built-in one: both must be that one's.
pub(super) fn configurations(context: &Context<'_>) -> Outcome {
    let target = &context.payload.target;
    let same_commit = context.same_build().is_some();
    let mut findings = Findings::default();
    let mut other_texts = Vec::new();
    let mut compare = |record: &ConfigRecord, built_in: &[ConfigSource]| {
        for text in built_in {
            let (same_name, same_text) = (text.name == record.name, text.sha256 == record.sha256);
            findings.expect(same_name || !same_text, || {
                format!("{}: the text is that of {}", record.name, text.name)
            });
            if same_name && !same_text {
                other_texts.push(record.name.clone());
                findings.expect(!same_commit, || {
                    format!(
                        "{}: stated {}, the built-in text has {}",
                        record.name, record.sha256, text.sha256
                    )
                });
            }
        }
    };
    let (machines, models) = (built_in_machine_texts(), built_in_model_texts());
    let targets = built_in_target_texts();
    target
        .machine
        .value()
        .iter()
        .for_each(|record| compare(record, &machines));
    target
        .models
        .iter()
        .for_each(|record| compare(record, &models));
    target
        .targets
        .iter()
        .for_each(|record| compare(record, &targets));
    match findings.outcome() {
        outcome if outcome.status == Status::Fail || other_texts.is_empty() => outcome,
        _ => Outcome::skipped(format!(
            "{} may have had another text in the commit of the result; --git compares with that",
            other_texts.join(", ")
        )),
    }
}

fn built_in_machine_texts() -> Vec<ConfigSource> {
    let machines = load::built_in_machines().unwrap_or_default();
    machines.into_iter().map(|machine| machine.source).collect()
}

fn built_in_model_texts() -> Vec<ConfigSource> {
    let names = built_in_names(Role::Model).into_iter();
    names
        .filter_map(|name| load::model(name).ok())
        .map(|model| model.source)
        .collect()
}

fn built_in_target_texts() -> Vec<ConfigSource> {
    let targets = load::built_in_targets().unwrap_or_default();
    targets.into_iter().map(|target| target.source).collect()
}
