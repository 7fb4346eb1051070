//! `sparkbench doctor`: what this machine and this program can measure, and why not.

use std::fs;
use std::path::Path;

use crate::build_info::{self, EmbeddedImage, Provenance};
use crate::config;
use crate::device::cuda::{Cuda, CudaError, Facts, probe};
use crate::result::Reading;
use crate::telemetry::{self, Nvml};
use crate::ui::doctor::{Section, render};
use crate::units::Bytes;

use super::args::DoctorArgs;
use super::error::CliError;
use super::exit::Exit;
use super::output::{show, show_json};

/// Prints every finding. Ends with 0: a machine without a GPU is a finding, not a failure.
pub fn doctor(args: &DoctorArgs) -> Result<Exit, CliError> {
    let mut sections = vec![program(), images()];
    sections.extend(gpus());
    sections.extend([host(), results(&args.out)]);
    match args.json {
        true => show_json(&sections)?,
        false => show(&render(&sections))?,
    }
    Ok(Exit::Done)
}

fn program() -> Section {
    let mut section = Section::new("program");
    section.add(
        "version",
        Reading::of(build_info::version_line().to_owned()),
    );
    match build_info::provenance() {
        Ok(provenance) => provenance_rows(&mut section, provenance),
        Err(error) => section.add("commit", Reading::missing(error.to_string())),
    }
    match build_info::build() {
        Ok(build) => {
            section.add("sources, sha-256", Reading::of(build.source_sha256.clone()));
            section.add("rustc", Reading::of(build.rust.rustc.clone()));
            let rust = &build.rust;
            let profile = format!(
                "{}, opt-level {}, {}",
                rust.profile, rust.opt_level, rust.target
            );
            section.add("profile", Reading::of(profile));
        }
        Err(error) => section.add("build", Reading::missing(error.to_string())),
    }
    section
}

fn provenance_rows(section: &mut Section, provenance: Provenance) {
    let why = provenance.commit_reason.unwrap_or_default();
    let state = provenance.dirty.map(|dirty| match dirty {
        true => "changed since the commit: `verify` refuses its results".to_owned(),
        false => "as committed".to_owned(),
    });
    section.add("commit", Reading::from_option(provenance.commit, &why));
    section.add("tree", Reading::from_option(state, &why));
    let nix =
        provenance.nix.map(|nix| {
            match (nix.stand_in, nix.nixpkgs_rev) {
        (true, _) => {
            "built with the stand-in for nixpkgs: `verify` takes its results for no pinned evidence"
                .to_owned()
        }
        (false, Some(revision)) => format!("built with nixpkgs {revision}"),
        (false, None) => "built with a nixpkgs of unknown revision".to_owned(),
    }
        });
    let why_not = provenance.nix_reason.unwrap_or_default();
    section.add("nix", Reading::from_option(nix, &why_not));
    let why = provenance.flake_lock_reason.unwrap_or_default();
    let lock = Reading::from_option(provenance.flake_lock_sha256, &why);
    section.add("flake.lock, sha-256", lock);
}

/// One row per kernel image in this binary.
fn images() -> Section {
    let mut section = Section::new("kernel images");
    let images = match build_info::images() {
        Ok(images) => images,
        Err(error) => {
            section.add("images", Reading::missing(error.to_string()));
            return section;
        }
    };
    if images.is_empty() {
        let reason = build_info::build()
            .ok()
            .and_then(|build| build.images_reason.as_deref());
        section.add(
            "images",
            Reading::missing(reason.unwrap_or("none in this build")),
        );
    }
    for EmbeddedImage {
        family, manifest, ..
    } in images
    {
        let image = format!(
            "{}, nvcc {}, {} kernels, sha-256 {}",
            manifest.architectures.join(" "),
            manifest.nvcc.version,
            manifest
                .kernels
                .values()
                .map(|kernels| kernels.len())
                .max()
                .unwrap_or(0),
            manifest.image_sha256
        );
        section.add(family, Reading::of(image));
    }
    section
}

/// The driver, then each GPU that it shows.
fn gpus() -> Vec<Section> {
    let mut driver = Section::new("driver");
    driver.add("kernel module", telemetry::kernel_module_version());
    let devices = match probe() {
        Ok(found) => {
            driver.add("libcuda", found.library.clone().map(|library| library.path));
            driver.add("cuda version", Reading::of(found.cuda_version.clone()));
            driver.add("devices", Reading::of(found.devices.to_string()));
            found.devices
        }
        Err(error) => {
            driver.add("libcuda", Reading::missing(explained(&error)));
            0
        }
    };
    let nvml = Nvml::open();
    if let Err(error) = &nvml {
        driver.add("nvml", Reading::missing(error.to_string()));
    }
    let gpus = (0..devices).map(|ordinal| gpu(ordinal, nvml.as_ref().ok()));
    std::iter::once(driver).chain(gpus).collect()
}

fn explained(error: &CudaError) -> String {
    match error.hint() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    }
}

fn gpu(ordinal: u32, nvml: Option<&Nvml>) -> Section {
    let mut section = Section::new(&format!("cuda:{ordinal}"));
    let cuda = match Cuda::open(ordinal) {
        Ok(cuda) => cuda,
        Err(error) => {
            section.add("device", Reading::missing(explained(&error)));
            return section;
        }
    };
    let facts = cuda.facts();
    let (major, minor) = facts.capability;
    section.add(
        "device",
        Reading::of(format!("{}, sm_{major}{minor}", facts.name)),
    );
    let machine = config::machine_for_device(&facts.name, facts.capability);
    section.add(
        "machine configuration",
        Reading::from_option(
            machine.map(|machine| machine.name),
            "no built-in machine is this device; write one and name it with --target",
        ),
    );
    section.add("kernel image", image_for(facts));
    let memory = format!(
        "{}, {} free",
        Bytes(facts.memory_bytes),
        Bytes(facts.memory_free_bytes)
    );
    section.add("memory", Reading::of(memory));
    let found = nvml.map(|nvml| nvml.gpu(&facts.uuid, &facts.pci_bus_id));
    match found {
        Some(Ok(gpu)) => {
            for (quantity, reading) in telemetry::nvml_report(&gpu) {
                section.add(&format!("nvml: {quantity}"), reading);
            }
        }
        Some(Err(error)) => section.add("nvml", Reading::missing(error.to_string())),
        None => {}
    }
    section
}

/// Whether every image in this binary has code for the device.
fn image_for(facts: &Facts) -> Reading<String> {
    let architecture = format!("sm_{}{}", facts.capability.0, facts.capability.1);
    let images = match build_info::images() {
        Ok([]) | Err(_) => return Reading::missing("no kernel images in this build"),
        Ok(images) => images,
    };
    let lacks = |image: &&EmbeddedImage| !image.manifest.architectures.contains(&architecture);
    match images.iter().find(lacks) {
        None => Reading::of(format!("{architecture} in every image")),
        Some(image) => Reading::missing(format!(
            "image {} has no code for {architecture}",
            image.family
        )),
    }
}

fn host() -> Section {
    let host = telemetry::host();
    let mut section = Section::new("host");
    section.add("operating system", host.os);
    section.add("kernel", Reading::of(host.kernel));
    section.add("processor", host.cpu_model);
    section.add("logical cpus", Reading::of(host.logical_cpus.to_string()));
    section.add(
        "cache",
        host.cache_bytes.map(|bytes| Bytes(bytes).to_string()),
    );
    section.add("memory", Reading::of(Bytes(host.memory_bytes).to_string()));
    section.add("governor", host.governor);
    section.add("virtualised", host.virtualised.map(|yes| yes.to_string()));
    section.add(
        "load average",
        host.load_average.map(|load| format!("{load:.2}")),
    );
    section
}

/// Whether results can be written, found out by writing.
fn results(directory: &Path) -> Section {
    let mut section = Section::new("results");
    let probe = directory.join(format!(".doctor-{}", std::process::id()));
    let made = !directory.exists();
    let written = fs::create_dir_all(directory).and_then(|()| fs::write(&probe, b"x"));
    // What the question left behind goes; a failure to remove it is nobody's concern here.
    let _ = fs::remove_file(&probe);
    if made {
        let _ = fs::remove_dir(directory);
    }
    let shown = directory.display().to_string();
    section.add(
        "directory",
        Reading::from_result(
            written
                .map(|()| format!("{shown} can be written"))
                .map_err(|error| format!("{shown} cannot be written: {error}")),
        ),
    );
    section
}
