//! What Nix hands over of a build; compiled into the build script too, so it uses nothing of this crate but digests.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::digest::is_hex;

/// What Nix built the program and its kernels with, and where they lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(json_schema, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NixBuild {
    /// The revision of nixpkgs that was evaluated, 40 hexadecimal digits; another than the locked one if it was overridden.
    pub nixpkgs_rev: Option<String>,
    /// The NAR hash of the nixpkgs that was evaluated: `sha256-` and base64.
    pub nixpkgs_nar_hash: Option<String>,
    /// Why `nixpkgs_rev` or `nixpkgs_nar_hash` is `null`; `null` if neither is.
    pub nixpkgs_reason: Option<String>,
    /// Whether the labelled stand-in took the place of nixpkgs.
    pub stand_in: bool,
    /// The platform, such as `x86_64-linux`.
    pub system: String,
    /// The CUDA release, such as `13.2`.
    pub cuda_version: String,
    /// The flags of `kernels/build.json`.
    pub nvcc_flags: Vec<String>,
    /// The flake's package that is this program: `nix build .#<attribute>`.
    pub runner_attribute: String,
    /// The store path of that package.
    pub runner_store_path: String,
    /// The store paths of the kernel images in the program, by target: `nix build .#kernels-<target>`.
    pub kernels_store_paths: BTreeMap<String, String>,
}

impl NixBuild {
    /// What is wrong with the form of a value.
    pub fn check(&self) -> Result<(), String> {
        let revision = self.nixpkgs_rev.as_deref();
        let nar_hash = self.nixpkgs_nar_hash.as_deref();
        let paths = self.kernels_store_paths.values();
        let forms = [
            (
                "nix.nixpkgs_rev",
                "40 lowercase hexadecimal digits",
                revision.filter(|text| !is_hex(text, 40)),
            ),
            (
                "nix.nixpkgs_nar_hash",
                "sha256- and 44 digits of base64",
                nar_hash.filter(|text| !is_nar_hash(text)),
            ),
        ];
        let stores = std::iter::once(&self.runner_store_path)
            .chain(paths)
            .filter(|path| !is_store_path(path))
            .map(|path| ("nix", "a store path", Some(path.as_str())));
        let names = std::iter::once(&self.runner_attribute)
            .chain(self.kernels_store_paths.keys())
            .filter(|name| !is_attribute(name))
            .map(|name| ("nix", "the name of a package", Some(name.as_str())));
        for (field, form, wrong) in forms.into_iter().chain(stores).chain(names) {
            if let Some(found) = wrong {
                return Err(format!("expected {form} in {field}, found {found:?}"));
            }
        }
        let unknown = revision.is_none() || nar_hash.is_none();
        if unknown != self.nixpkgs_reason.is_some() {
            let wanted = if unknown { "a reason" } else { "null" };
            return Err(format!(
                "expected {wanted} in nix.nixpkgs_reason, found {:?}",
                self.nixpkgs_reason
            ));
        }
        Ok(())
    }
}

/// Whether `text` is the SHA-256 of a NAR as Nix writes it: `sha256-` and the base64 of 32 bytes.
pub fn is_nar_hash(text: &str) -> bool {
    let digit = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
    text.strip_prefix("sha256-")
        .and_then(|rest| rest.strip_suffix('='))
        .is_some_and(|digits| digits.len() == 43 && digits.bytes().all(digit))
}

/// Whether `text` is a path directly in the store: a directory, 32 digits of Nix's base32, `-`, a name.
///
/// The directory is `/nix/store` but on machines that keep their own.
pub fn is_store_path(text: &str) -> bool {
    let base32 = |b: u8| b.is_ascii_digit() || (b.is_ascii_lowercase() && !b"eotu".contains(&b));
    let named = |b: u8| b.is_ascii_alphanumeric() || b"+-._?=".contains(&b);
    let Some((store, base)) = text.rsplit_once('/') else {
        return false;
    };
    let Some((digest, name)) = base.split_once('-') else {
        return false;
    };
    store.starts_with('/')
        && store.ends_with("/store")
        && digest.len() == 32
        && digest.bytes().all(base32)
        && !name.is_empty()
        && name.bytes().all(named)
}

/// Whether `text` can stand for a package in `nix build .#<text>` and for nothing else.
pub fn is_attribute(text: &str) -> bool {
    let named = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic()) && text.bytes().all(named)
}
