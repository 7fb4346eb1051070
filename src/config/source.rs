//! The text that a configuration was read from, and its digest.

use serde::Serialize;

use crate::build_info::sha256_hex;

/// Where a configuration came from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ConfigSource {
    /// The configuration's own name.
    pub name: String,
    /// Path as given on the command line or in the referring file; in the repository for a built-in one.
    pub path: String,
    /// Whether the text is part of the program.
    pub built_in: bool,
    /// The whole text.
    #[serde(skip)]
    pub text: String,
    /// SHA-256 of the text, lower-case hexadecimal.
    pub sha256: String,
}

impl ConfigSource {
    pub(super) fn new(name: &str, path: &str, built_in: bool, text: &str) -> Self {
        Self {
            name: name.to_owned(),
            path: path.to_owned(),
            built_in,
            text: text.to_owned(),
            sha256: sha256_hex(text.as_bytes()),
        }
    }
}
