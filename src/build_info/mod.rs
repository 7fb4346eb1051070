//! What this binary was made from; knows nothing of devices.

pub(crate) mod code_digest;
pub(crate) mod digest;
mod embedded;
mod error;
pub(crate) mod manifest;
mod nar;
mod nix;
mod record;

pub use code_digest::{NotAnImage, code_digests};
pub use digest::{hex, is_hex, sha256_hex};
pub use embedded::{EmbeddedImage, build, images, provenance, version_line};
pub use error::BuildInfoError;
pub use manifest::{ImageManifest, KernelResources, NvccVersion};
pub use nar::nar_hash;
pub use nix::{NixBuild, is_attribute, is_nar_hash, is_store_path};
pub use record::{Build, DETERMINING, Provenance, ProvenanceSource, RustBuild};
