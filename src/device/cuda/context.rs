//! One GPU: its context and its facts.

use std::{ffi::CStr, marker::PhantomData};

use cudarc::driver::sys::{self, CUdevice_attribute as Attribute};

use crate::build_info::hex;

use super::{
    driver::{Driver, probe},
    error::{CudaError, check},
};

/// A GPU with its primary context current on this thread. Neither `Send` nor `Sync`: the context belongs to the thread.
pub struct Cuda {
    device: sys::CUdevice,
    driver: &'static Driver,
    facts: Facts,
    _thread: PhantomData<*const ()>,
}

/// What the driver says of a GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Device ordinal.
    pub ordinal: u32,
    /// Product name.
    pub name: String,
    /// `GPU-…`, as NVML writes it.
    pub uuid: String,
    /// `0000:00:06.0`.
    pub pci_bus_id: String,
    /// Compute capability.
    pub capability: (u32, u32),
    /// Streaming multiprocessors.
    pub sm_count: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Memory free when the context was made, in bytes.
    pub memory_free_bytes: u64,
    /// Whether GPU and host share one memory.
    pub integrated: bool,
    /// Bus width in bits.
    pub memory_bus_bits: u32,
    /// L2 in bytes.
    pub l2_bytes: u64,
    /// Most dynamic shared memory of one block, in bytes.
    pub shared_memory_per_block_bytes: u32,
    /// Shared memory of all blocks of an SM together, in bytes.
    pub shared_memory_per_sm_bytes: u32,
    /// Highest SM clock in kHz.
    pub sm_clock_max_khz: u32,
    /// Highest memory clock in kHz; 0 where the driver does not say.
    pub memory_clock_max_khz: u32,
}

impl Cuda {
    /// Opens device `ordinal`.
    ///
    /// # Errors
    ///
    /// Those of [`probe`]; [`CudaError::NoDevice`], [`CudaError::Busy`], [`CudaError::NoMemoryFor`].
    pub fn open(ordinal: u32) -> Result<Self, CudaError> {
        let driver = probe()?;
        if ordinal >= driver.devices {
            return Err(CudaError::NoDevice {
                ordinal,
                count: driver.devices,
            });
        }
        let mut device = 0;
        // SAFETY: a valid pointer; the ordinal is below the count.
        check("cuDeviceGet", unsafe {
            sys::cuDeviceGet(&mut device, ordinal as i32)
        })?;
        let mut context = std::ptr::null_mut();
        // SAFETY: a valid pointer and a device of this driver; released in `drop`.
        let status = unsafe { sys::cuDevicePrimaryCtxRetain(&mut context, device) };
        check("cuDevicePrimaryCtxRetain", status).map_err(|error| match error {
            CudaError::Call { code: why, .. } => CudaError::Busy { ordinal, why },
            other => other,
        })?;
        // SAFETY: the context was just retained.
        check("cuCtxSetCurrent", unsafe { sys::cuCtxSetCurrent(context) })?;
        let facts = facts(ordinal, device)?;
        Ok(Self {
            device,
            driver,
            facts,
            _thread: PhantomData,
        })
    }

    /// The driver.
    pub fn driver(&self) -> &'static Driver {
        self.driver
    }

    /// The GPU's facts.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Bytes free now.
    ///
    /// # Errors
    ///
    /// [`CudaError::Call`].
    pub fn free_bytes(&self) -> Result<u64, CudaError> {
        memory_info().map(|(free, _)| free)
    }

    /// Waits for everything queued in the context.
    ///
    /// # Errors
    ///
    /// [`CudaError::Call`] with the error of any earlier asynchronous work.
    pub fn synchronize(&self) -> Result<(), CudaError> {
        // SAFETY: the context is current on this thread.
        check("cuCtxSynchronize", unsafe { sys::cuCtxSynchronize() })
    }
}

impl Drop for Cuda {
    fn drop(&mut self) {
        // SAFETY: balances the retain of `open`; nothing can be done about a failure here.
        let _ = unsafe { sys::cuDevicePrimaryCtxRelease_v2(self.device) };
    }
}

/// Free and total bytes of the current context's device.
pub(super) fn memory_info() -> Result<(u64, u64), CudaError> {
    let (mut free, mut total) = (0usize, 0usize);
    // SAFETY: valid pointers; a context is current.
    check("cuMemGetInfo", unsafe {
        sys::cuMemGetInfo_v2(&mut free, &mut total)
    })?;
    Ok((free as u64, total as u64))
}

fn text(buffer: &[u8]) -> String {
    CStr::from_bytes_until_nul(buffer).map_or_else(
        |_| String::new(),
        |text| text.to_string_lossy().into_owned(),
    )
}

fn facts(ordinal: u32, device: sys::CUdevice) -> Result<Facts, CudaError> {
    let attribute = |which: Attribute| -> Result<u32, CudaError> {
        let mut value = 0;
        // SAFETY: a valid pointer and device.
        check("cuDeviceGetAttribute", unsafe {
            sys::cuDeviceGetAttribute(&mut value, which, device)
        })?;
        Ok(value.unsigned_abs())
    };
    let mut name = [0u8; 256];
    // SAFETY: the buffer and its length.
    check("cuDeviceGetName", unsafe {
        sys::cuDeviceGetName(name.as_mut_ptr().cast(), name.len() as i32, device)
    })?;
    let mut bus = [0u8; 32];
    // SAFETY: the buffer and its length.
    check("cuDeviceGetPCIBusId", unsafe {
        sys::cuDeviceGetPCIBusId(bus.as_mut_ptr().cast(), bus.len() as i32, device)
    })?;
    let mut uuid = sys::CUuuid { bytes: [0; 16] };
    // SAFETY: a valid pointer and device.
    check("cuDeviceGetUuid", unsafe {
        sys::cuDeviceGetUuid_v2(&mut uuid, device)
    })?;
    let hex = hex(&uuid.bytes.map(|byte| byte as u8));
    let mut total = 0usize;
    // SAFETY: a valid pointer and device.
    check("cuDeviceTotalMem", unsafe {
        sys::cuDeviceTotalMem_v2(&mut total, device)
    })?;
    let (memory_free_bytes, _) = memory_info()?;
    Ok(Facts {
        ordinal,
        name: text(&name),
        uuid: format!(
            "GPU-{}-{}-{}-{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..]
        ),
        pci_bus_id: text(&bus),
        capability: (
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        ),
        sm_count: attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
        memory_bytes: total as u64,
        memory_free_bytes,
        integrated: attribute(Attribute::CU_DEVICE_ATTRIBUTE_INTEGRATED)? != 0,
        memory_bus_bits: attribute(Attribute::CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH)?,
        l2_bytes: u64::from(attribute(Attribute::CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE)?),
        shared_memory_per_block_bytes: attribute(
            Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN,
        )?,
        shared_memory_per_sm_bytes: attribute(
            Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR,
        )?,
        sm_clock_max_khz: attribute(Attribute::CU_DEVICE_ATTRIBUTE_CLOCK_RATE)?,
        memory_clock_max_khz: attribute(Attribute::CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE)?,
    })
}
