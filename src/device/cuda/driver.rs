//! Finding the driver: libcuda by absolute path first, checked before any binding that would panic is touched.

use std::{path::Path, sync::OnceLock};

use cudarc::driver::sys;

use super::error::{CudaError, check};
use crate::{
    device::library,
    result::{Reading, SharedLibrary},
};

/// CUDA version of the bindings, as `cuDriverGetVersion` counts it: sm_110, sm_120 and sm_121 need a driver of 13.0.
const NEEDED: i32 = 13_000;

/// Every driver function that this module calls; the bindings panic at the first call of one that is missing.
const SYMBOLS: &[&str] = &[
    "cuCtxGetCurrent",
    "cuCtxSetCurrent",
    "cuCtxSynchronize",
    "cuDeviceGet",
    "cuDeviceGetAttribute",
    "cuDeviceGetCount",
    "cuDeviceGetName",
    "cuDeviceGetPCIBusId",
    "cuDeviceGetUuid_v2",
    "cuDevicePrimaryCtxRelease_v2",
    "cuDevicePrimaryCtxRetain",
    "cuDeviceTotalMem_v2",
    "cuDriverGetVersion",
    "cuEventCreate",
    "cuEventDestroy_v2",
    "cuEventElapsedTime_v2",
    "cuEventRecord",
    "cuEventSynchronize",
    "cuFuncGetAttribute",
    "cuFuncGetParamInfo",
    "cuFuncSetAttribute",
    "cuGraphDestroy",
    "cuGraphExecDestroy",
    "cuGraphInstantiateWithFlags",
    "cuGraphLaunch",
    "cuGraphUpload",
    "cuInit",
    "cuLaunchKernelEx",
    "cuMemAlloc_v2",
    "cuMemFreeHost",
    "cuMemFree_v2",
    "cuMemGetInfo_v2",
    "cuMemHostAlloc",
    "cuMemHostGetDevicePointer_v2",
    "cuMemcpyDtoDAsync_v2",
    "cuMemcpyDtoHAsync_v2",
    "cuMemcpyHtoDAsync_v2",
    "cuMemsetD8Async",
    "cuModuleGetFunction",
    "cuModuleLoadData",
    "cuModuleUnload",
    "cuStreamBeginCapture_v2",
    "cuStreamCreate",
    "cuStreamDestroy_v2",
    "cuStreamEndCapture",
    "cuStreamSynchronize",
];

/// A driver that is loaded, initialised and new enough.
#[derive(Debug, Clone, PartialEq)]
pub struct Driver {
    /// libcuda as mapped into this process.
    pub library: Reading<SharedLibrary>,
    /// CUDA version that it supports, e.g. `13.0`.
    pub cuda_version: String,
    /// Devices that it shows.
    pub devices: u32,
}

fn version(number: i32) -> String {
    format!("{}.{}", number / 1000, number % 1000 / 10)
}

/// Loads and checks the driver once; later calls return the same answer.
///
/// # Errors
///
/// [`CudaError::NoDriver`], [`CudaError::BadDriver`], [`CudaError::OldDriver`].
pub fn probe() -> Result<&'static Driver, CudaError> {
    static DRIVER: OnceLock<Result<Driver, CudaError>> = OnceLock::new();
    DRIVER.get_or_init(load).as_ref().map_err(Clone::clone)
}

/// Opens `name`, leaving it loaded for good.
fn open(name: &Path) -> Option<libloading::Library> {
    // SAFETY: libcuda's initialisers run; they are those of the driver that the user installed.
    unsafe { libloading::Library::new(name) }.ok()
}

fn load() -> Result<Driver, CudaError> {
    let mut library = None;
    for name in library::candidates("libcuda.so.1") {
        library = open(&name);
        if library.is_some() {
            break;
        }
    }
    let library = library.ok_or(CudaError::NoDriver)?;
    let library_file = library::loaded("libcuda.so");
    let bad = |why: String| CudaError::BadDriver {
        path: library_file
            .value()
            .map_or("libcuda.so.1", |file| &file.path)
            .into(),
        why,
    };
    for symbol in SYMBOLS {
        // SAFETY: only asks whether the name resolves; the pointer is not used.
        let found = unsafe { library.get::<*const ()>(symbol.as_bytes()) };
        if found.is_err() {
            return Err(bad(format!("it lacks {symbol}")));
        }
    }
    // Unloading a driver is not supported by anyone.
    std::mem::forget(library);
    // SAFETY: opens libcuda by name, which glibc answers with the library already loaded.
    if !unsafe { sys::is_culib_present() } {
        return Err(CudaError::NoDriver);
    }
    // Version before cuInit: an old driver may refuse to initialise for other reasons.
    let mut number = 0;
    // SAFETY: a valid pointer to one int; the call needs no initialisation.
    check("cuDriverGetVersion", unsafe {
        sys::cuDriverGetVersion(&mut number)
    })?;
    // SAFETY: no preconditions.
    let status = unsafe { sys::cuInit(0) };
    match status {
        sys::CUresult::CUDA_SUCCESS => {}
        sys::CUresult::CUDA_ERROR_STUB_LIBRARY => {
            return Err(bad("it is the toolkit's stub".into()));
        }
        sys::CUresult::CUDA_ERROR_NO_DEVICE => {
            return Ok(Driver {
                library: library_file,
                cuda_version: version(number),
                devices: 0,
            });
        }
        other => return Err(bad(format!("cuInit returned {other:?}"))),
    }
    if number < NEEDED {
        return Err(CudaError::OldDriver {
            found: version(number),
            needed: version(NEEDED),
        });
    }
    let mut devices = 0;
    // SAFETY: a valid pointer to one int.
    check("cuDeviceGetCount", unsafe {
        sys::cuDeviceGetCount(&mut devices)
    })?;
    Ok(Driver {
        library: library_file,
        cuda_version: version(number),
        devices: devices.unsigned_abs(),
    })
}
