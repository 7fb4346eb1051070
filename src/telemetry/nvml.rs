//! NVIDIA's management library: opened by absolute path, and the one GPU in it that CUDA measures.

use std::path::PathBuf;
use std::sync::Arc;

use nvml_wrapper::Device;
use nvml_wrapper::error::NvmlError;
use thiserror::Error;

use crate::device::library;

/// The file name that the driver installs; `libnvidia-ml.so` without a version is a development link.
const FILE: &str = "libnvidia-ml.so.1";

/// Why NVML, or a GPU in it, cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NvmlUnavailable {
    /// No such library.
    #[error("cannot find {FILE} in the driver's directories or by name")]
    NotFound,
    /// The library is there and cannot be loaded.
    #[error("cannot load {}: {reason}", path.display())]
    NotLoadable {
        /// The last that was tried.
        path: PathBuf,
        /// What the loader said.
        reason: String,
    },
    /// The library loads and refuses.
    #[error("NVML of {} does not start: {reason}", path.display())]
    NotStarted {
        /// The library.
        path: PathBuf,
        /// What NVML said.
        reason: String,
    },
    /// NVML does not list the GPU.
    #[error("NVML lists no GPU {uuid} at {pci_bus_id} among its {listed}")]
    NoSuchGpu {
        /// Its UUID.
        uuid: String,
        /// Its PCI bus id.
        pci_bus_id: String,
        /// GPUs that NVML lists.
        listed: u32,
    },
}

impl NvmlUnavailable {
    /// The next step, where there is one.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotFound => {
                "install the NVIDIA driver; in a container, ask for the `utility` capability".into()
            }
            Self::NotLoadable { .. } => "reinstall the NVIDIA driver for this architecture".into(),
            Self::NotStarted { .. } => {
                "see whether `nvidia-smi` answers; after a driver update, restart".into()
            }
            Self::NoSuchGpu { .. } => return None,
        })
    }
}

/// NVML as loaded.
#[derive(Debug, Clone)]
pub struct Nvml {
    pub(super) api: Arc<nvml_wrapper::Nvml>,
}

impl Nvml {
    /// Opens the driver's NVML: absolute paths first, then by name.
    ///
    /// # Errors
    ///
    /// `NvmlUnavailable` but `NoSuchGpu`.
    pub fn open() -> Result<Self, NvmlUnavailable> {
        Self::open_first(library::candidates(FILE))
    }

    pub(super) fn open_first(candidates: Vec<PathBuf>) -> Result<Self, NvmlUnavailable> {
        let mut unavailable = NvmlUnavailable::NotFound;
        for path in candidates {
            let api = nvml_wrapper::Nvml::builder()
                .lib_path(path.as_os_str())
                .init();
            match api {
                Ok(api) => return Ok(Self { api: Arc::new(api) }),
                // The bare name comes last: that the loader does not know it says less than what was found before.
                Err(NvmlError::LibloadingError(_)) if !path.is_absolute() => {}
                Err(NvmlError::LibloadingError(error)) => {
                    let reason = one_line(&error.to_string());
                    unavailable = NvmlUnavailable::NotLoadable { path, reason };
                }
                Err(error) => {
                    let reason = reason(&error);
                    return Err(NvmlUnavailable::NotStarted { path, reason });
                }
            }
        }
        Err(unavailable)
    }

    /// All GPUs that NVML lists.
    pub fn gpus(&self) -> Vec<Gpu> {
        let count = self.api.device_count().unwrap_or(0);
        (0..count).map(|index| self.at(index)).collect()
    }

    /// The GPU with the UUID and PCI bus id that CUDA gives.
    ///
    /// # Errors
    ///
    /// `NoSuchGpu`.
    pub fn gpu(&self, uuid: &str, pci_bus_id: &str) -> Result<Gpu, NvmlUnavailable> {
        let gpus = self.gpus();
        let ids: Vec<Ids> = gpus.iter().map(Gpu::ids).collect();
        choose(&ids, uuid, pci_bus_id)
            .and_then(|index| gpus.get(index).cloned())
            .ok_or_else(|| NvmlUnavailable::NoSuchGpu {
                uuid: uuid.to_owned(),
                pci_bus_id: pci_bus_id.to_owned(),
                listed: ids.len() as u32,
            })
    }

    fn at(&self, index: u32) -> Gpu {
        Gpu {
            nvml: self.clone(),
            index,
        }
    }
}

/// One GPU in NVML. Cheap to clone; may be asked from any thread.
#[derive(Debug, Clone)]
pub struct Gpu {
    pub(super) nvml: Nvml,
    index: u32,
}

impl Gpu {
    /// Opens NVML and finds the GPU with the UUID and PCI bus id that CUDA gives.
    ///
    /// # Errors
    ///
    /// `NvmlUnavailable`.
    pub fn find(uuid: &str, pci_bus_id: &str) -> Result<Self, NvmlUnavailable> {
        Nvml::open()?.gpu(uuid, pci_bus_id)
    }

    /// NVML's handle, asked anew because it borrows the library.
    pub(super) fn device(&self) -> Result<Device<'_>, NvmlError> {
        self.nvml.api.device_by_index(self.index)
    }

    fn ids(&self) -> Ids {
        let device = self.device().ok();
        let uuid = device.as_ref().and_then(|device| device.uuid().ok());
        let pci = device.as_ref().and_then(|device| device.pci_info().ok());
        Ids {
            uuid,
            address: pci.and_then(|pci| pci_address(&pci.bus_id)),
        }
    }
}

/// What NVML tells of a GPU's identity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Ids {
    uuid: Option<String>,
    address: Option<[u32; 3]>,
}

/// The index of the GPU with this UUID, or else this PCI address (in MIG mode CUDA gives the UUID of the slice). A single
/// GPU that tells neither, as integrated ones may, is the one meant.
fn choose(ids: &[Ids], uuid: &str, pci_bus_id: &str) -> Option<usize> {
    let by_uuid = || {
        ids.iter().position(|id| {
            id.uuid
                .as_deref()
                .is_some_and(|known| known.eq_ignore_ascii_case(uuid))
        })
    };
    let address = pci_address(pci_bus_id);
    let by_address = || {
        ids.iter()
            .position(|id| id.address.is_some() && id.address == address)
    };
    let only = || (ids == [Ids::default()]).then_some(0);
    by_uuid().or_else(by_address).or_else(only)
}

/// Domain, bus and device of a PCI bus id. CUDA writes the domain with four digits and NVML with eight.
fn pci_address(text: &str) -> Option<[u32; 3]> {
    let (front, _function) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = front
        .split(':')
        .map(|part| u32::from_str_radix(part, 16).ok());
    let address = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(address)
}

/// An error of NVML as the reason of a missing reading.
pub(super) fn reason(error: &NvmlError) -> String {
    match error {
        NvmlError::NotSupported => "NVML: not supported on this GPU".into(),
        NvmlError::NoPermission => "NVML: no permission".into(),
        NvmlError::UnexpectedVariant(value) => {
            format!("NVML: answered {value}, which this program does not know")
        }
        NvmlError::FailedToLoadSymbol(_) => "NVML: this driver lacks the call".into(),
        error => format!("NVML: {}", one_line(&error.to_string())),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(uuid: Option<&str>, address: Option<[u32; 3]>) -> Ids {
        Ids {
            uuid: uuid.map(str::to_owned),
            address,
        }
    }

    #[test]
    fn both_forms_of_a_pci_bus_id_are_one_address() {
        assert_eq!(pci_address("0000:00:06.0"), Some([0, 0, 6]));
        assert_eq!(pci_address("00000000:00:06.0"), Some([0, 0, 6]));
        assert_eq!(pci_address("000F:01:00.0"), Some([15, 1, 0]));
        assert!(
            ["", "0000:00", "0:0:0:0", "x:y:z"]
                .iter()
                .all(|text| pci_address(text).is_none())
        );
    }

    #[test]
    fn a_gpu_is_found_by_uuid_before_address() {
        let listed = [
            ids(Some("GPU-aa"), Some([0, 1, 0])),
            ids(Some("GPU-bb"), Some([0, 2, 0])),
            ids(None, Some([0, 3, 0])),
        ];
        assert_eq!(choose(&listed, "gpu-bb", "0000:01:00.0"), Some(1));
        assert_eq!(choose(&listed, "MIG-cc", "0000:03:00.0"), Some(2));
        assert_eq!(choose(&listed, "GPU-cc", "0000:04:00.0"), None);
        assert_eq!(choose(&listed, "GPU-cc", "not an address"), None);
    }

    #[test]
    fn a_single_gpu_without_identity_is_the_one_meant() {
        assert_eq!(choose(&[Ids::default()], "GPU-aa", "0000:01:00.0"), Some(0));
        assert_eq!(
            choose(&[ids(Some("GPU-bb"), None)], "GPU-aa", "0000:01:00.0"),
            None
        );
        assert_eq!(
            choose(&[Ids::default(), Ids::default()], "GPU-aa", "0000:01:00.0"),
            None
        );
    }

    #[test]
    fn a_library_that_is_absent_or_broken_is_named() {
        let absent = Nvml::open_first(vec!["libabsent-nvml.so.9".into()]).unwrap_err();
        assert_eq!(absent, NvmlUnavailable::NotFound);
        let directory = tempfile::tempdir().unwrap();
        let broken = directory.path().join(FILE);
        std::fs::write(&broken, "not a library").unwrap();
        let error =
            Nvml::open_first(vec![broken.clone(), "libabsent-nvml.so.9".into()]).unwrap_err();
        assert!(
            matches!(&error, NvmlUnavailable::NotLoadable { path, .. } if *path == broken),
            "{error}"
        );
        assert!(!error.to_string().contains('\n'));
    }

    #[test]
    fn a_library_that_is_no_nvml_is_refused() {
        let libc = library::loaded("libc.so");
        let path = PathBuf::from(&libc.value().unwrap().path);
        let error = Nvml::open_first(vec![path]).unwrap_err();
        assert!(
            matches!(error, NvmlUnavailable::NotStarted { .. }),
            "{error}"
        );
    }
}
