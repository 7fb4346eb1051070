//! Results as JSON that can be edited anywhere and sealed again.

use std::sync::LazyLock;

use serde_json::Value;

use crate::build_info::{Build, Provenance, ProvenanceSource, RustBuild, sha256_hex};
use crate::result::{ImageRecord, Payload, sample, seal};
use crate::verify::report::verify_as;
use crate::verify::{Options, Report, Status};

/// A program of the sample's commit, with the sample's sources and kernels.
static OWN: LazyLock<Build> = LazyLock::new(|| {
    let Payload { build, images, .. } = sample::h100();
    let image = |image: ImageRecord| (image.manifest.family.clone(), image.manifest);
    Build {
        version: build.version,
        source_sha256: build.source_sha256,
        rust: RustBuild {
            rustc: build.rustc,
            target: build.target,
            profile: build.profile,
            opt_level: build.opt_level,
            rustflags: build.rustflags,
        },
        images: images.into_iter().map(image).collect(),
        images_reason: None,
        provenance: Provenance {
            source: ProvenanceSource::Cargo,
            commit: build.provenance.commit.value().cloned(),
            tree: build.provenance.tree.value().cloned(),
            dirty: Some(false),
            commit_reason: None,
            flake_lock_sha256: None,
            flake_lock_reason: Some("the commit has no flake.lock".to_owned()),
            nix: None,
            nix_reason: Some("built by Cargo, without Nix".to_owned()),
        },
    }
});

/// The whole file of a payload as JSON.
pub(super) fn file(payload: &Payload) -> Value {
    serde_json::from_str(&seal(payload).unwrap().text).unwrap()
}

/// The file with a digest that fits its payload.
pub(super) fn resealed(mut file: Value) -> Value {
    let body = serde_json::to_string(&file["payload"]).unwrap();
    file["payload_sha256"] = sha256_hex(body.as_bytes()).into();
    file
}

pub(super) fn report(file: &Value) -> Report {
    verify_as(
        Some(&OWN),
        "sample",
        file.to_string().as_bytes(),
        &Options::default(),
    )
}

pub(super) fn failed(report: &Report) -> Vec<&'static str> {
    let failed = report
        .checks
        .iter()
        .filter(|check| check.status == Status::Fail);
    failed.map(|check| check.name).collect()
}

/// JSON pointers to every scalar, nulls included.
pub(super) fn scalars(value: &Value) -> Vec<String> {
    fn walk(value: &Value, pointer: String, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    let key = key.replace('~', "~0").replace('/', "~1");
                    walk(value, format!("{pointer}/{key}"), found);
                }
            }
            Value::Array(elements) => {
                for (index, value) in elements.iter().enumerate() {
                    walk(value, format!("{pointer}/{index}"), found);
                }
            }
            _ => found.push(pointer),
        }
    }
    let mut found = Vec::new();
    walk(value, String::new(), &mut found);
    found
}
