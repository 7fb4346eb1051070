//! Placeholder until the build path lands.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
/// Placeholder of the image manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageManifest {
    /// Family.
    pub family: String,
}
