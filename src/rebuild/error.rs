//! Why a commit cannot be built again on this machine.

/// Why a commit cannot be built again on this machine, whatever is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RebuildError {
    /// There is neither Nix nor the compiler.
    #[error("cannot rebuild without {needed}, found {found}")]
    NoMeans {
        /// What would do.
        needed: String,
        /// What is there instead.
        found: String,
        /// How to get it.
        step: String,
    },
    /// The compiler is there and cannot be used.
    #[error("cannot rebuild: {0}")]
    Toolchain(String),
}

impl RebuildError {
    /// The next step, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoMeans { step, .. } => Some(step.clone()),
            Self::Toolchain(_) => Some(
                "correct NVCC, CUDA_HOME, CUDA_PATH or PATH; scripts/nvcc installs one".to_owned(),
            ),
        }
    }
}
