//! The devices that run kernels: CUDA GPUs and the host's processor. Knows nothing of models or of timing rules.

pub mod cuda;
