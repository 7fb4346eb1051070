//! Loading an embedded image.

use crate::{
    build_info::{BuildInfoError, EmbeddedImage, images, sha256_hex},
    device::cuda::{Cuda, CudaError, Image},
    result::{ImageOwner, ImageRecord},
};

/// Why an image cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// Built without nvcc.
    #[error("this program was built without GPU kernels")]
    NotBuilt,
    /// The embedded record is damaged.
    #[error(transparent)]
    BuildInfo(#[from] BuildInfoError),
    /// The driver refuses.
    #[error(transparent)]
    Cuda(#[from] CudaError),
}

impl KernelError {
    /// The next step, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotBuilt => Some(
                "install nvcc with `scripts/nvcc`, then build again with SPARKBENCH_CUDA=require"
                    .into(),
            ),
            Self::BuildInfo(_) => None,
            Self::Cuda(error) => error.hint(),
        }
    }
}

/// A loaded image and its record.
pub struct Loaded {
    /// The image.
    pub image: Image,
    /// What the result states of it.
    pub record: ImageRecord,
}

impl Loaded {
    /// Loads the embedded image of `family`; `kernel` is any kernel in it, asked which code the driver chose.
    ///
    /// # Errors
    ///
    /// [`KernelError`].
    pub fn new(cuda: &Cuda, family: &str, kernel: &str) -> Result<Self, KernelError> {
        let embedded: &EmbeddedImage = images()?
            .iter()
            .find(|image| image.family == family)
            .ok_or(KernelError::NotBuilt)?;
        let image = Image::load(
            cuda,
            family,
            embedded.bytes,
            &embedded.manifest.architectures,
        )?;
        let loaded_architecture = image.function(kernel)?.architecture();
        Ok(Self {
            image,
            record: ImageRecord {
                owner: match embedded.is_ruler() {
                    true => ImageOwner::Harness,
                    false => ImageOwner::Engine,
                },
                loaded_sha256: sha256_hex(embedded.bytes),
                loaded_architecture,
                manifest: embedded.manifest.clone(),
            },
        })
    }
}
