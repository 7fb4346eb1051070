//! The record and the kernel images that the build script left in this binary.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use super::{Build, BuildInfoError, ImageManifest, Provenance};

/// Keeps embedded bytes at an address that the driver can read in place.
#[repr(C, align(16))]
struct Aligned<T: ?Sized>(T);

// Written by `build.rs`: `static IMAGES: &[(&str, &Aligned<[u8]>)]`, family and bytes, sorted by family.
include!(concat!(env!("OUT_DIR"), "/images.rs"));

const RECORD: &str = include_str!(concat!(env!("OUT_DIR"), "/build.json"));

/// A kernel image in this binary.
#[derive(Debug, Clone, Copy)]
pub struct EmbeddedImage {
    /// The kernel family.
    pub family: &'static str,
    /// The fatbin, 16-byte aligned.
    pub bytes: &'static [u8],
    /// How it was made.
    pub manifest: &'static ImageManifest,
}

impl EmbeddedImage {
    /// Whether this is the ruler of the harness, which no candidate may bring along: an engine does not hand it over.
    pub fn is_ruler(&self) -> bool {
        self.family == "calibration"
    }
}

/// What this binary was made from.
///
/// # Errors
/// [`BuildInfoError::Embedded`] if the record in the binary was damaged.
pub fn build() -> Result<&'static Build, BuildInfoError> {
    static BUILD: OnceLock<Result<Build, BuildInfoError>> = OnceLock::new();
    BUILD
        .get_or_init(|| {
            serde_json::from_str(RECORD).map_err(|e| BuildInfoError::Embedded {
                cause: e.to_string(),
            })
        })
        .as_ref()
        .map_err(Clone::clone)
}

/// The kernel images in this binary, sorted by family; none in a build without kernels
/// ([`Build::images_reason`] says why).
///
/// # Errors
/// [`BuildInfoError::Embedded`] if the record in the binary was damaged.
pub fn images() -> Result<&'static [EmbeddedImage], BuildInfoError> {
    static EMBEDDED: OnceLock<Result<Vec<EmbeddedImage>, BuildInfoError>> = OnceLock::new();
    EMBEDDED
        .get_or_init(|| {
            let build = build()?;
            let with_manifest = |&(family, bytes): &(&'static str, &'static Aligned<[u8]>)| {
                let manifest =
                    build
                        .images
                        .get(family)
                        .ok_or_else(|| BuildInfoError::Embedded {
                            cause: format!("expected a manifest of image {family}, found none"),
                        })?;
                Ok(EmbeddedImage {
                    family,
                    bytes: &bytes.0,
                    manifest,
                })
            };
            IMAGES.iter().map(with_manifest).collect()
        })
        .as_ref()
        .map(Vec::as_slice)
        .map_err(Clone::clone)
}

/// Which commit this binary is: the record in the file that the environment variable `SPARKBENCH_PROVENANCE` names,
/// or else what the build stamped.
///
/// # Errors
/// As [`build`]; and if the variable is set, but does not lead to a valid record.
pub fn provenance() -> Result<Provenance, BuildInfoError> {
    let Some(path) = env::var_os("SPARKBENCH_PROVENANCE").filter(|path| !path.is_empty()) else {
        return Ok(build()?.provenance.clone());
    };
    let path = PathBuf::from(path);
    let text = fs::read_to_string(&path).map_err(|e| BuildInfoError::Unreadable {
        path: path.clone(),
        cause: e.to_string(),
    })?;
    Provenance::from_json(&text).map_err(|cause| BuildInfoError::NotARecord { path, cause })
}

/// The version with the commit, for `--version`: `0.1.0 (1a2b3c4d5e6f, modified)`.
pub fn version_line() -> &'static str {
    static LINE: OnceLock<String> = OnceLock::new();
    LINE.get_or_init(|| {
        let version = env!("CARGO_PKG_VERSION");
        match provenance() {
            Ok(Provenance {
                commit: Some(commit),
                dirty,
                ..
            }) => {
                let commit: String = commit.chars().take(12).collect();
                let state = if dirty == Some(false) {
                    ""
                } else {
                    ", modified"
                };
                format!("{version} ({commit}{state})")
            }
            _ => format!("{version} (commit unknown)"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build_info::{code_digests, is_hex, sha256_hex};

    #[test]
    fn the_embedded_record_parses_and_has_a_reason_for_every_null() {
        let build = build().unwrap();
        assert!(is_hex(&build.source_sha256, 64));
        assert_eq!(build.images.is_empty(), build.images_reason.is_some());
        let stamp = serde_json::to_string(&build.provenance).unwrap();
        Provenance::from_json(&stamp).unwrap();
    }

    #[test]
    fn every_embedded_image_is_the_one_that_its_manifest_describes() {
        let images = images().unwrap();
        assert_eq!(images.len(), build().unwrap().images.len());
        for image in images {
            assert_eq!(image.bytes.as_ptr() as usize % 16, 0, "{}", image.family);
            assert_eq!(image.family, image.manifest.family);
            assert_eq!(sha256_hex(image.bytes), image.manifest.image_sha256);
            assert_eq!(
                code_digests(image.bytes).unwrap(),
                image.manifest.code_sha256
            );
        }
    }
}
