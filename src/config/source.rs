//! The text that a configuration was read from, and its digest.

use std::fmt::Write;

use serde::Serialize;
use sha2::{Digest, Sha256};

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

fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}
