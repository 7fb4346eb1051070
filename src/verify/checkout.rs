//! Level 1: which program measured, against a git checkout.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::context::Context;
use super::git::Checkout;
use super::images::flags;
use super::outcome::{Findings, Outcome};

use crate::build_info::{DETERMINING, is_hex, sha256_hex};
use crate::config::load;
use crate::result::ConfigRecord;

/// Runs `check` with the checkout and the commit that the result names.
fn with_commit(
    context: &Context<'_>,
    check: impl FnOnce(&Checkout, &str) -> Result<Outcome, String>,
) -> Outcome {
    let Some(checkout) = context.checkout else {
        return Outcome::skipped("no checkout was given; see --git");
    };
    let Some(commit) = context.payload.build.provenance.commit.value() else {
        return Outcome::skipped("the result names no commit");
    };
    if !is_hex(commit, 40) {
        return Outcome::skipped("the result names no commit in the form of one");
    }
    check(checkout, commit).unwrap_or_else(Outcome::fail)
}

/// Whether the commit exists and is part of the checkout's history.
pub(super) fn commit(context: &Context<'_>) -> Outcome {
    with_commit(context, |checkout, commit| {
        checkout.object(&format!("{commit}^{{commit}}"))?;
        Ok(match checkout.is_merged(commit)? {
            true => Outcome::pass(),
            false => Outcome::fail(format!(
                "{commit} is not an ancestor of the checkout's HEAD"
            )),
        })
    })
}

/// Whether the tree is the commit's.
pub(super) fn tree(context: &Context<'_>) -> Outcome {
    with_commit(context, |checkout, commit| {
        let expected = checkout.object(&format!("{commit}^{{tree}}"))?;
        let stated = context.payload.build.provenance.tree.value();
        Ok(match stated {
            Some(stated) if *stated == expected => Outcome::pass(),
            Some(stated) => Outcome::fail(format!("stated {stated}, the commit has {expected}")),
            None => Outcome::skipped("the result names no tree"),
        })
    })
}

/// Whether flake.lock is the commit's, or missing in both, and nixpkgs the one that it pins.
pub(super) fn flake_lock(context: &Context<'_>) -> Outcome {
    with_commit(context, |checkout, commit| {
        let path = "flake.lock".to_owned();
        let files = checkout.contents(commit, std::slice::from_ref(&path))?;
        let expected = files.get(&path).map(|bytes| sha256_hex(bytes));
        let stated = context.payload.build.provenance.flake_lock_sha256.value();
        let show = |digest: Option<&String>| digest.map_or("none", String::as_str).to_owned();
        let mut findings = Findings::default();
        findings.expect(stated == expected.as_ref(), || {
            format!(
                "stated {}, the commit has {}",
                show(stated),
                show(expected.as_ref())
            )
        });
        // A stand-in is pinned by no lock; that is the affair of `provenance.nixpkgs`.
        let nix = context.payload.build.provenance.nix.value();
        let nix = nix.filter(|nix| !nix.stand_in);
        if let (Some(nix), Some(lock)) = (nix, files.get(&path)) {
            let locked = LockedNixpkgs::in_lock(lock)?;
            for (name, stated, locked) in [
                ("revision", &nix.nixpkgs_rev, &locked.rev),
                ("hash", &nix.nixpkgs_nar_hash, &locked.nar_hash),
            ] {
                // What is missing in the result is the affair of `provenance.nixpkgs`.
                if let Some(stated) = stated.value() {
                    findings.expect(Some(stated) == locked.as_ref(), || {
                        let locked = show(locked.as_ref());
                        format!("nixpkgs: stated {name} {stated}, flake.lock pins {locked}")
                    });
                }
            }
        }
        Ok(findings.outcome())
    })
}

/// Which weights a model's text of digest `stated` pins that the commit's does not, where this program knows that text.
fn other_pins(path: &str, stated: &str, of_commit: &str) -> String {
    let name = path.strip_prefix("configs/models/").unwrap_or_default();
    let known = load::model(name.trim_end_matches(".yaml")).ok();
    let Some(known) = known.filter(|model| model.source.sha256 == stated) else {
        return String::new();
    };
    let pins = |text: &str| -> BTreeSet<String> {
        let pin = |line: &str| {
            let (_, rest) = line.split_once("sha256: ")?;
            rest.split_whitespace().next().map(str::to_owned)
        };
        text.lines().filter_map(pin).collect()
    };
    let (stated, of_commit) = (pins(&known.source.text), pins(of_commit));
    let only = |some: &BTreeSet<String>, others: &BTreeSet<String>| {
        let only: Vec<&str> = some.difference(others).map(String::as_str).collect();
        only.join(", ")
    };
    match stated == of_commit {
        true => "; both pin the same weights".to_owned(),
        false => format!(
            ": it pins the weights [{}], the commit [{}]",
            only(&stated, &of_commit),
            only(&of_commit, &stated)
        ),
    }
}

/// What `flake.lock` pins as the flake's own input `nixpkgs`.
#[derive(Deserialize)]
struct LockedNixpkgs {
    rev: Option<String>,
    #[serde(rename = "narHash")]
    nar_hash: Option<String>,
}

impl LockedNixpkgs {
    fn in_lock(lock: &[u8]) -> Result<Self, String> {
        let lock: Value = serde_json::from_slice(lock).map_err(|e| format!("flake.lock: {e}"))?;
        let root = lock["root"].as_str().unwrap_or_default();
        let node = lock["nodes"][root]["inputs"]["nixpkgs"]
            .as_str()
            .ok_or("flake.lock pins no nixpkgs")?;
        let locked = lock["nodes"][node]["locked"].clone();
        serde_json::from_value(locked).map_err(|e| format!("flake.lock: nixpkgs: {e}"))
    }
}

/// Whether the program's sources are the commit's: the digest of the list of their digests.
pub(super) fn sources(context: &Context<'_>) -> Outcome {
    with_commit(context, |checkout, commit| {
        let hidden = |path: &String| path.split('/').any(|part| part.starts_with('.'));
        let mut paths = checkout.list(commit, &DETERMINING)?;
        paths.retain(|path| !hidden(path));
        paths.sort();
        let contents = checkout.contents(commit, &paths)?;
        let line = |(path, bytes): (&String, &Vec<u8>)| format!("{}  {path}\n", sha256_hex(bytes));
        let list: String = contents.iter().map(line).collect();
        let (stated, expected) = (
            &context.payload.build.source_sha256,
            sha256_hex(list.as_bytes()),
        );
        let mut findings = Findings::default();
        findings.expect(*stated == expected, || {
            format!("stated {stated}, the commit's sources have {expected}")
        });
        Ok(findings.outcome())
    })
}

/// The part of `kernels/build.json` that decides nvcc's arguments.
#[derive(Deserialize)]
struct Recipe {
    architectures: Vec<u32>,
    flags: Vec<String>,
    families: BTreeMap<String, Vec<String>>,
}

/// Whether kernel sources and compiler arguments are the commit's.
pub(super) fn kernels(context: &Context<'_>) -> Outcome {
    if context.payload.images.is_empty() {
        return Outcome::skipped("no kernel image was loaded");
    }
    with_commit(context, |checkout, commit| {
        let recipe_path = "kernels/build.json".to_owned();
        let images = &context.payload.images;
        let mut paths = vec![recipe_path.clone()];
        paths.extend(
            images
                .iter()
                .flat_map(|image| image.manifest.sources.keys().cloned()),
        );
        let files = checkout.contents(commit, &paths)?;
        let recipe = files
            .get(&recipe_path)
            .ok_or("the commit has no kernels/build.json")?;
        let recipe: Recipe =
            serde_json::from_slice(recipe).map_err(|error| format!("{recipe_path}: {error}"))?;
        let mut findings = Findings::default();
        for image in images {
            let manifest = &image.manifest;
            let family = &manifest.family;
            for (path, stated) in &manifest.sources {
                let expected = files.get(path).map(|bytes| sha256_hex(bytes));
                findings.expect(expected.as_ref() == Some(stated), || {
                    format!("{family}: {path} is not that of the commit")
                });
            }
            let units = recipe
                .families
                .get(family)
                .map(Vec::as_slice)
                .unwrap_or_default();
            let compiled =
                |unit: &String| manifest.sources.contains_key(&format!("kernels/{unit}"));
            findings.expect(!units.is_empty() && units.iter().all(compiled), || {
                format!("{family}: the sources are not those that kernels/build.json names")
            });
            let unknown = |name: &&String| {
                let known = recipe.architectures.iter();
                !known.map(|a| format!("sm_{a}")).any(|a| a == **name)
            };
            if let Some(name) = manifest.architectures.iter().find(unknown) {
                findings.expect(false, || {
                    format!("{family}: kernels/build.json has no architecture {name}")
                });
            }
            let stated: Vec<&String> = flags(manifest).collect();
            let expected: Vec<&String> = recipe.flags.iter().collect();
            findings.expect(stated == expected, || {
                let (more, fewer) = (beyond(&stated, &expected), beyond(&expected, &stated));
                format!(
                    "{family}: the flags of nvcc are not those of kernels/build.json: found also [{more}], missing [{fewer}]"
                )
            });
        }
        Ok(findings.outcome())
    })
}

/// The words of `some` that `others` have not.
fn beyond(some: &[&String], others: &[&String]) -> String {
    let beyond = some.iter().filter(|word| !others.contains(word));
    beyond
        .map(|word| word.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Whether configurations are the commit's, for those that lie under `configs/`.
pub(super) fn configurations(context: &Context<'_>) -> Outcome {
    with_commit(context, |checkout, commit| {
        let target = &context.payload.target;
        let named = |folder: &str, record: &ConfigRecord| {
            (
                format!("{folder}/{}.yaml", record.name),
                record.sha256.clone(),
            )
        };
        let mut stated: Vec<(String, String)> = Vec::new();
        stated.extend(
            target
                .machine
                .value()
                .map(|record| named("configs", record)),
        );
        stated.extend(
            target
                .models
                .iter()
                .map(|record| named("configs/models", record)),
        );
        stated.extend(
            target
                .targets
                .iter()
                .map(|record| named("configs/targets", record)),
        );
        let paths: Vec<String> = stated.iter().map(|(path, _)| path.clone()).collect();
        let files = checkout.contents(commit, &paths)?;
        let mut findings = Findings::default();
        for (path, stated) in &stated {
            // A configuration of the user's own lies nowhere in the commit.
            let Some(text) = files.get(path) else {
                continue;
            };
            findings.expect(sha256_hex(text) == *stated, || {
                let pins = other_pins(path, stated, &String::from_utf8_lossy(text));
                format!("{path} is not that of the commit{pins}")
            });
        }
        Ok(findings.outcome())
    })
}
