//! Level 1: the kernel images that were loaded, as far as the file alone can tell.

use std::collections::BTreeSet;

use super::context::Context;
use super::file::is_version;
use super::outcome::{Findings, Outcome};
use crate::build_info::{ImageManifest, is_hex};
use crate::result::{ImageOwner, ImageRecord};

/// What was loaded against what was built.
pub(super) fn loaded(context: &Context<'_>) -> Outcome {
    let capability = context
        .payload
        .machine
        .gpu
        .value()
        .map(|gpu| gpu.compute_capability.replace('.', ""));
    each_image(context, |findings, image| {
        let (manifest, architecture) = (&image.manifest, &image.loaded_architecture);
        let family = &manifest.family;
        findings.expect(image.loaded_sha256 == manifest.image_sha256, || {
            format!(
                "{family}: an image {} was loaded, {} was built",
                image.loaded_sha256, manifest.image_sha256
            )
        });
        findings.expect(manifest.architectures.contains(architecture), || {
            format!("{family}: {architecture} was loaded and is not in the image")
        });
        findings.expect(
            capability
                .as_ref()
                .is_some_and(|c| *architecture == format!("sm_{c}")),
            || format!("{family}: {architecture} was loaded, which is not the GPU's"),
        );
        let ruler = image.owner == ImageOwner::Harness;
        findings.expect((family == "calibration") == ruler, || {
            format!("{family}: the image is said to be the {:?}'s", image.owner)
        });
    })
}

/// Each manifest against itself.
pub(super) fn manifests(context: &Context<'_>) -> Outcome {
    each_image(context, |findings, image| {
        let manifest = &image.manifest;
        let family = &manifest.family;
        let mut expect = |holds: bool, finding: &str| {
            findings.expect(holds, || format!("{family}: {finding}"));
        };
        let architectures: BTreeSet<&String> = manifest.architectures.iter().collect();
        let all = !architectures.is_empty() && architectures.len() == manifest.architectures.len();
        expect(all, "architectures are missing or there twice");
        let coded: BTreeSet<&String> = manifest.code_sha256.keys().collect();
        expect(
            coded == architectures,
            "the code digests are not those of the architectures",
        );
        let listed: BTreeSet<&String> = manifest.kernels.keys().collect();
        expect(
            listed == architectures,
            "the kernels are not those of the architectures",
        );
        let kernels = || {
            manifest
                .kernels
                .values()
                .flat_map(|kernels| kernels.values())
        };
        expect(
            kernels().all(|k| k.spill_store_bytes == 0 && k.spill_load_bytes == 0),
            "a kernel spills",
        );
        expect(
            kernels().all(|k| (1..=255).contains(&k.registers)),
            "a kernel has no possible number of registers",
        );
        expect(
            kernels().all(|k| k.stack_bytes < 1 << 19),
            "a kernel has no possible stack",
        );
        expect(
            kernels().all(|k| k.shared_bytes < 1 << 18),
            "a kernel has no possible shared memory",
        );
        let sources = || manifest.sources.iter();
        expect(sources().next().is_some(), "there are no sources");
        expect(
            sources().all(|(_, digest)| is_hex(digest, 64)),
            "a source has no digest",
        );
        expect(
            sources().all(|(path, _)| path.starts_with("kernels/")),
            "a source lies outside of kernels/",
        );
        expect(
            (1..1 << 30).contains(&manifest.image_bytes),
            "the image has no possible size",
        );
        expect(is_version(&manifest.nvcc.version, 3), "nvcc has no version");
        let short = manifest
            .nvcc
            .version
            .rsplit_once('.')
            .map_or("", |(short, _)| short);
        expect(
            manifest.nvcc.release.starts_with(&format!("cuda_{short}.")),
            "nvcc's build is not of its version",
        );
        expect(
            !manifest.host_compiler.trim().is_empty(),
            "there is no host compiler",
        );
        // Flags, code for the stated architectures, no PTX, no other file.
        let codes = manifest.architectures.iter().map(|architecture| {
            let a = architecture.trim_start_matches("sm_");
            format!("-gencode=arch=compute_{a},code=sm_{a}")
        });
        let files = [
            "--fatbin".to_owned(),
            format!("{family}.cu"),
            "-o".to_owned(),
            format!("{family}.fatbin"),
        ];
        let rest: Vec<String> = codes.chain(files).collect();
        let own = flags(manifest).count();
        expect(
            manifest.arguments.get(own..) == Some(&rest),
            "the arguments are not flags, code for the architectures and the family's files",
        );
    })
}

fn each_image(
    context: &Context<'_>,
    mut check: impl FnMut(&mut Findings, &ImageRecord),
) -> Outcome {
    let images = &context.payload.images;
    if images.is_empty() {
        return Outcome::skipped("no kernel image was loaded");
    }
    let mut findings = Findings::default();
    let families: BTreeSet<&String> = images.iter().map(|image| &image.manifest.family).collect();
    findings.expect(families.len() == images.len(), || {
        "two images are of one family".to_owned()
    });
    for image in images {
        check(&mut findings, image);
    }
    findings.outcome()
}

/// The flags of nvcc: its arguments up to the first architecture.
pub(super) fn flags(manifest: &ImageManifest) -> impl Iterator<Item = &String> {
    let arguments = manifest.arguments.iter();
    arguments.take_while(|argument| !argument.starts_with("-gencode="))
}
