//! What is known of one build of the binaries; compiled into the build script too, so it uses nothing of this crate.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::digest::is_hex;
use super::manifest::ImageManifest;
use super::nix::NixBuild;

/// The files and directories that determine the binary, by path from the root of the repository.
pub const DETERMINING: [&str; 8] = [
    "Cargo.lock",
    "Cargo.toml",
    "build",
    "build.rs",
    "configs",
    "kernels",
    "schema",
    "src",
];

/// What the build script embeds: what the sources determine, and the provenance that Cargo stamped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(json_schema, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// The version of the package.
    pub version: String,
    /// SHA-256 over the list of all sources that determine the binary, one `<sha256>  <path>\n` line each, sorted by
    /// path: what `sha256sum` prints for them.
    pub source_sha256: String,
    /// How the host code was compiled.
    pub rust: RustBuild,
    /// The kernel images, by family; none in a build without kernels.
    pub images: BTreeMap<String, ImageManifest>,
    /// Why there are no images; `null` if there are.
    pub images_reason: Option<String>,
    /// Which commit the sources are, as the build saw it.
    pub provenance: Provenance,
}

/// How the host code was compiled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(json_schema, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RustBuild {
    /// What `rustc -V` prints.
    pub rustc: String,
    /// The target triple.
    pub target: String,
    /// `debug` or `release`.
    pub profile: String,
    /// `0` to `3`, `s` or `z`.
    pub opt_level: String,
    /// Flags from `RUSTFLAGS` or a Cargo configuration.
    pub rustflags: Vec<String>,
}

/// Which commit the sources are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(json_schema, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Who says so.
    pub source: ProvenanceSource,
    /// The commit, 40 hexadecimal digits.
    pub commit: Option<String>,
    /// The tree of that commit, 40 hexadecimal digits.
    pub tree: Option<String>,
    /// Whether a tracked file differed from the commit, or an untracked file lay among the sources.
    pub dirty: Option<bool>,
    /// Why `commit`, `tree` or `dirty` is `null`; `null` if none is.
    pub commit_reason: Option<String>,
    /// SHA-256 of `flake.lock`.
    pub flake_lock_sha256: Option<String>,
    /// Why `flake_lock_sha256` is `null`; `null` if it is not.
    pub flake_lock_reason: Option<String>,
    /// What Nix built; `null` if it did not.
    pub nix: Option<NixBuild>,
    /// Why `nix` is `null`; `null` if it is not.
    pub nix_reason: Option<String>,
}

/// Who says which commit the sources are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(json_schema, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProvenanceSource {
    /// The build script asked git.
    Cargo,
    /// The file that `SPARKBENCH_PROVENANCE` names.
    File,
}

impl Provenance {
    /// Reads the record that `SPARKBENCH_PROVENANCE` names.
    ///
    /// # Errors
    /// What is wrong with it: not the JSON of this type, a digest of another form, a `null` without a reason.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let record: Self = serde_json::from_str(text).map_err(|e| e.to_string())?;
        record.check()?;
        Ok(Self {
            source: ProvenanceSource::File,
            ..record
        })
    }

    fn check(&self) -> Result<(), String> {
        for (name, value, digits) in [
            ("commit", &self.commit, 40),
            ("tree", &self.tree, 40),
            ("flake_lock_sha256", &self.flake_lock_sha256, 64),
        ] {
            if let Some(text) = value.as_ref().filter(|text| !is_hex(text, digits)) {
                return Err(format!(
                    "expected {digits} lowercase hexadecimal digits in {name}, found {text:?}"
                ));
            }
        }
        let unknown = self.commit.is_none() || self.tree.is_none() || self.dirty.is_none();
        for (name, null, reason) in [
            ("commit_reason", unknown, &self.commit_reason),
            (
                "flake_lock_reason",
                self.flake_lock_sha256.is_none(),
                &self.flake_lock_reason,
            ),
            ("nix_reason", self.nix.is_none(), &self.nix_reason),
        ] {
            if null != reason.is_some() {
                let wanted = if null { "a reason" } else { "null" };
                return Err(format!("expected {wanted} in {name}, found {reason:?}"));
            }
        }
        self.nix.as_ref().map_or(Ok(()), NixBuild::check)
    }
}
