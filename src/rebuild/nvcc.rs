//! Compiles the kernels of a commit by the compiler at hand.

use std::collections::BTreeMap;

use super::checkout::Scratch;
use super::compile::build_images;
use super::recipe::Recipe;
use super::toolchain::Toolchain;
use crate::result::{ImageRecord, Reading};
use crate::verify::{Checkout, Rebuilt, RebuiltKernels};

/// Compiles every family of `images` from the sources and flags of `commit`, for the architectures that it is stated for.
/// `why_not_nix` says why the program itself is not built.
pub fn compile(
    git: &Checkout,
    commit: &str,
    images: &[ImageRecord],
    toolchain: &Toolchain,
    why_not_nix: &str,
) -> Result<Rebuilt, String> {
    let scratch = Scratch::of_kernels(git, commit)?;
    let all = Recipe::read(scratch.path())?;
    let mut commands = Vec::new();
    let mut kernels = RebuiltKernels::default();
    // Families with the same architectures are compiled side by side.
    let mut groups: BTreeMap<&[String], Vec<&String>> = BTreeMap::new();
    for image in images {
        let manifest = &image.manifest;
        groups
            .entry(&manifest.architectures)
            .or_default()
            .push(&manifest.family);
    }
    for (architectures, families) in groups {
        let mut recipe = all
            .only(architectures)
            .map_err(|e| format!("{commit}: {e}"))?;
        recipe
            .families
            .retain(|family, _| families.contains(&family));
        let out = scratch.path().join(architectures.join("-"));
        for (family, manifest) in build_images(scratch.path(), &recipe, toolchain, &out)? {
            commands.push(format!("nvcc {}", manifest.arguments.join(" ")));
            kernels.code_sha256.insert(family, manifest.code_sha256);
        }
    }
    Ok(Rebuilt {
        commands,
        runner: Reading::missing(why_not_nix),
        kernels: Reading::of(kernels),
    })
}
