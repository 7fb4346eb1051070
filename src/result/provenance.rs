//! Where a program came from, as its result states it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Reading;

/// The commit that a program was built from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProvenanceRecord {
    /// `cargo` (stamped by the build) or `file` (handed over by the packager).
    pub source: String,
    /// Git commit, 40 hex digits.
    pub commit: Reading<String>,
    /// Git tree of that commit, 40 hex digits.
    pub tree: Reading<String>,
    /// Whether tracked files differed from the commit.
    pub dirty: Reading<bool>,
    /// SHA-256 of flake.lock.
    pub flake_lock_sha256: Reading<String>,
    /// What Nix built. Results from before 2026-11-23 have no such field.
    #[serde(
        default = "before_nix",
        skip_serializing_if = "ProvenanceRecord::is_before_nix"
    )]
    pub nix: Reading<NixRecord>,
}

impl ProvenanceRecord {
    fn is_before_nix(nix: &Reading<NixRecord>) -> bool {
        *nix == before_nix()
    }
}

/// What a result states that is older than the field.
fn before_nix() -> Reading<NixRecord> {
    Reading::missing("the result is from before this was recorded")
}

/// What Nix built: the program, its kernel images, and out of what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NixRecord {
    /// Revision of the nixpkgs that was evaluated, 40 hex digits.
    pub nixpkgs_rev: Reading<String>,
    /// Its NAR hash, as in flake.lock.
    pub nixpkgs_nar_hash: Reading<String>,
    /// Whether the labelled stand-in took the place of nixpkgs; then the toolchain is the host's and pinned by nothing.
    pub stand_in: bool,
    /// Nix's name of the platform, e.g. `x86_64-linux`.
    pub system: String,
    /// CUDA release, e.g. `13.2`.
    pub cuda_version: String,
    /// Flags of every kernel image.
    pub nvcc_flags: Vec<String>,
    /// The flake's package that is the program.
    pub runner_attribute: String,
    /// Its store path.
    pub runner_store_path: String,
    /// NAR hash of that store path, taken when the session began.
    pub runner_nar_hash: Reading<String>,
    /// Store paths of the kernel images in the program, by target; the packages are `kernels-<target>`.
    pub kernels_store_paths: BTreeMap<String, String>,
}
