//! What is known of one kernel image; compiled into the build script too, so it uses nothing of this crate.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How one kernel image (a fatbin: one ELF image per architecture) was made and what is in it.
///
/// Nothing here depends on where the sources or the toolchain lay.
// `json_schema` is set by the build script for the package; the build script itself does without schemars.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(json_schema, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ImageManifest {
    /// The kernel family, which is also the name of the image.
    pub family: String,
    /// SHA-256 of every source, by path from the root of the repository.
    pub sources: BTreeMap<String, String>,
    /// SHA-256 of the one file that the compiler read: all sources inlined.
    pub amalgam_sha256: String,
    /// SHA-256 of the image.
    pub image_sha256: String,
    /// Length of the image.
    pub image_bytes: u64,
    /// The architectures that the image has code for, such as `sm_90`.
    pub architectures: Vec<String>,
    /// The arguments of nvcc exactly as passed, but for `-ccbin`, whose value is a path; see `host_compiler`.
    pub arguments: Vec<String>,
    /// The device compiler.
    pub nvcc: NvccVersion,
    /// First line of what the host compiler, given to nvcc as `-ccbin`, prints for `--version`.
    pub host_compiler: String,
    /// Per architecture, the SHA-256 of what the device executes; see [`code_digests`](super::code_digests).
    pub code_sha256: BTreeMap<String, String>,
    /// Per architecture and kernel, what ptxas allotted.
    pub kernels: BTreeMap<String, BTreeMap<String, KernelResources>>,
}

/// The version of nvcc as it states it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(json_schema, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NvccVersion {
    /// Such as `13.2.78`.
    pub version: String,
    /// The build string, such as `cuda_13.2.r13.2/compiler.37668154_0`.
    pub release: String,
}

/// What one kernel takes on one architecture, from `ptxas -v`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(json_schema, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct KernelResources {
    /// 32-bit registers per thread.
    pub registers: u32,
    /// Stack frame per thread.
    pub stack_bytes: u32,
    /// Bytes that spilling registers stores, per thread. Always 0: a spill fails the build.
    pub spill_store_bytes: u32,
    /// Bytes that spilling registers loads, per thread. Always 0: a spill fails the build.
    pub spill_load_bytes: u32,
    /// Static shared memory per block.
    pub shared_bytes: u32,
}
