//! What this binary was made from; knows nothing of devices.

mod digest;
mod manifest;

pub use digest::{hex, is_hex, sha256_hex};
pub use manifest::{ImageManifest, KernelResources, NvccVersion};
