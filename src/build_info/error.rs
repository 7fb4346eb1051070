//! Why a binary cannot say what it was made from.

use std::path::PathBuf;

/// Why a binary cannot say what it was made from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildInfoError {
    /// The record that the build script embedded does not parse.
    #[error("the build record in this binary does not parse: {cause}")]
    Embedded {
        /// What the parser says.
        cause: String,
    },
    /// The file that `SPARKBENCH_PROVENANCE` names cannot be read.
    #[error("cannot read the provenance record {}: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: String,
    },
    /// The file that `SPARKBENCH_PROVENANCE` names is not a provenance record.
    #[error("{} is not a provenance record: {cause}", path.display())]
    NotARecord {
        /// The file.
        path: PathBuf,
        /// What was expected and found.
        cause: String,
    },
}

impl BuildInfoError {
    /// The next step, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Embedded { .. } => Some("build again from a clean checkout".to_owned()),
            Self::Unreadable { .. } | Self::NotARecord { .. } => Some(
                "correct or unset SPARKBENCH_PROVENANCE; without it the stamp of the build counts"
                    .to_owned(),
            ),
        }
    }
}
