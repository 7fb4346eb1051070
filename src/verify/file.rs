//! Level 0: whether the file is a result at all, and its values have the form that they must have.

use super::context::Context;
use super::outcome::{Findings, Outcome};
use crate::build_info::{is_attribute, is_hex, is_nar_hash, is_store_path};
use crate::result::{IdentityForm, NixRecord, Rule, SessionStatus};

/// For what [`parse`](crate::result::parse) has refused already if it does not hold.
pub(super) fn read(_: &Context<'_>) -> Outcome {
    Outcome::pass()
}

pub(super) fn integers(context: &Context<'_>) -> Outcome {
    faults(context, Rule::Integer)
}

pub(super) fn readings(context: &Context<'_>) -> Outcome {
    faults(context, Rule::Reading)
}

pub(super) fn digests(context: &Context<'_>) -> Outcome {
    faults(context, Rule::Digest)
}

fn faults(context: &Context<'_>, rule: Rule) -> Outcome {
    let mut findings = Findings::default();
    for fault in &context.file.faults {
        findings.expect(fault.rule != rule, || fault.to_string());
    }
    findings.outcome()
}

pub(super) fn content(context: &Context<'_>) -> Outcome {
    let payload = context.payload;
    let mut findings = Findings::default();
    let complete = payload.session.status == SessionStatus::Complete;
    findings.expect(!complete || context.measured().next().is_some(), || {
        "expected at least one measured case in a complete session, found none".to_owned()
    });
    for (case, measurement) in context.measured() {
        let empty = measurement.samples_ns.is_empty();
        findings.expect(!empty, || {
            format!("{}: expected samples, found none", case.id)
        });
        for (name, text) in [
            ("check.reference", &measurement.check.reference),
            ("inputs.generator", &measurement.inputs.generator),
        ] {
            not_blank(&mut findings, &format!("{}: {name}", case.id), text);
        }
    }
    let host = &payload.machine.host;
    not_blank(&mut findings, "machine.host.kernel", &host.kernel);
    for warning in &payload.warnings {
        not_blank(&mut findings, "warnings.code", &warning.code);
        not_blank(&mut findings, "warnings.message", &warning.message);
    }
    for series in &payload.telemetry.series {
        not_blank(&mut findings, "telemetry.series.quantity", &series.quantity);
        not_blank(&mut findings, "telemetry.series.unit", &series.unit);
        not_blank(&mut findings, "telemetry.series.source", &series.source);
    }
    findings.outcome()
}

fn not_blank(findings: &mut Findings, name: &str, text: &str) {
    findings.expect(!text.trim().is_empty(), || {
        format!("{name}: expected text, found none")
    });
}

pub(super) fn forms(context: &Context<'_>) -> Outcome {
    let mut findings = Findings::default();
    let mut expect = |holds: bool, name: &str, form: &str, found: &str| {
        findings.expect(holds, || {
            format!("{name}: expected {form}, found `{found}`")
        });
    };
    let payload = context.payload;
    let session = &payload.session;
    expect(
        is_hex(&session.id, 32),
        "session.id",
        "32 hex digits",
        &session.id,
    );
    expect(
        is_hex(&session.seed, 16),
        "session.seed",
        "16 hex digits",
        &session.seed,
    );
    for (name, time) in [
        ("session.started_at", &session.started_at),
        ("session.ended_at", &session.ended_at),
    ] {
        expect(
            is_utc(time),
            name,
            "a UTC time like 2026-11-23T05:00:00Z",
            time,
        );
    }
    let provenance = &payload.build.provenance;
    for (name, object) in [
        ("build.provenance.commit", &provenance.commit),
        ("build.provenance.tree", &provenance.tree),
    ] {
        if let Some(object) = object.value() {
            expect(is_hex(object, 40), name, "40 hex digits", object);
        }
    }
    if let Some(nix) = provenance.nix.value() {
        nix_forms(nix, &mut expect);
    }
    for case in &payload.cases {
        expect(
            is_id(&case.id),
            "cases.id",
            "words between slashes",
            &case.id,
        );
        if let Some(measurement) = &case.measurement {
            let seed = &measurement.inputs.seed;
            expect(is_hex(seed, 16), "inputs.seed", "16 hex digits", seed);
            let generator = &measurement.inputs.generator;
            let version = generator.split_once('/').map(|(_, version)| version);
            let holds = version.is_some_and(|version| is_version(version, 1));
            expect(holds, "inputs.generator", "a name and a version", generator);
        }
    }
    if let Some(gpu) = payload.machine.gpu.value() {
        let capability = &gpu.compute_capability;
        let name = "machine.gpu.compute_capability";
        expect(
            is_version(capability, 2),
            name,
            "a form like 9.0",
            capability,
        );
        let uuid = &gpu.uuid.value;
        let (holds, form) = match gpu.uuid.form {
            IdentityForm::Plain => (is_uuid(uuid), "GPU- and a UUID"),
            IdentityForm::SaltedSha256 => (is_hex(uuid, 64), "64 hex digits"),
        };
        expect(holds, "machine.gpu.uuid", form, uuid);
        if let Some(bus) = gpu.pci_bus_id.value() {
            expect(
                is_bus_id(bus),
                "machine.gpu.pci_bus_id",
                "a form like 0000:01:00.0",
                bus,
            );
        }
    }
    if let Some(driver) = payload.machine.driver.value() {
        let version = &driver.cuda_version;
        let name = "machine.driver.cuda_version";
        expect(is_version(version, 2), name, "a form like 13.0", version);
    }
    findings.outcome()
}

fn nix_forms(nix: &NixRecord, expect: &mut impl FnMut(bool, &str, &str, &str)) {
    if let Some(rev) = nix.nixpkgs_rev.value() {
        let name = "build.provenance.nix.nixpkgs_rev";
        expect(is_hex(rev, 40), name, "40 hex digits", rev);
    }
    for (name, hash) in [
        (
            "build.provenance.nix.nixpkgs_nar_hash",
            &nix.nixpkgs_nar_hash,
        ),
        ("build.provenance.nix.runner_nar_hash", &nix.runner_nar_hash),
    ] {
        if let Some(hash) = hash.value() {
            let form = "sha256- and 44 digits of base64";
            expect(is_nar_hash(hash), name, form, hash);
        }
    }
    let kernels = &nix.kernels_store_paths;
    for path in kernels.values().chain([&nix.runner_store_path]) {
        expect(
            is_store_path(path),
            "build.provenance.nix",
            "a store path",
            path,
        );
    }
    for name in kernels.keys().chain([&nix.runner_attribute]) {
        expect(
            is_attribute(name),
            "build.provenance.nix",
            "a name of a package",
            name,
        );
    }
}

fn is_utc(text: &str) -> bool {
    text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok()
}

/// `memory/kv_read/gemma4_global/32768`.
fn is_id(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-+".contains(c);
    text.split('/')
        .all(|part| !part.is_empty() && part.chars().all(plain))
}

/// Numbers between points.
pub(super) fn is_version(text: &str, parts: usize) -> bool {
    let number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    text.split('.').count() == parts && text.split('.').all(number)
}

/// `GPU-`, or `MIG-` for a part of one, and hex digits in groups of 8, 4, 4, 4, 12.
fn is_uuid(text: &str) -> bool {
    let groups: Option<Vec<&str>> = text
        .strip_prefix("GPU-")
        .or_else(|| text.strip_prefix("MIG-"))
        .map(|text| text.split('-').collect());
    groups.is_some_and(|groups| {
        groups.len() == 5
            && groups
                .iter()
                .zip([8, 4, 4, 4, 12])
                .all(|(group, digits)| is_hex(group, digits))
    })
}

/// Domain, bus, device and function in hex digits: `00000000:18:00.0`.
fn is_bus_id(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_hexdigit());
    text.split([':', '.']).count() == 4 && text.split([':', '.']).all(digits)
}
