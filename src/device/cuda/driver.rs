//! Finding the driver: libcuda by absolute path first, checked before any binding that would panic is touched.

use std::{
    ffi::{CStr, c_char},
    path::PathBuf,
    sync::OnceLock,
};

use cudarc::driver::sys;
use libloading::Library;

use super::error::{CudaError, check};
use crate::{
    device::library,
    result::{Reading, SharedLibrary},
};

/// CUDA version of the bindings, as `cuDriverGetVersion` counts it: sm_110, sm_120 and sm_121 need a driver of 13.0.
const NEEDED: i32 = 13_000;

/// Every driver function that is called through the bindings, which panic at the first call of one that is missing.
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
    "cuStreamQuery",
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
/// [`CudaError::NoDriver`], [`CudaError::BadDriver`], [`CudaError::OldDriver`], [`CudaError::NotStarted`].
pub fn probe() -> Result<&'static Driver, CudaError> {
    static DRIVER: OnceLock<Result<Driver, CudaError>> = OnceLock::new();
    DRIVER.get_or_init(load).as_ref().map_err(Clone::clone)
}

// Statuses are plain numbers here: a toolkit's stub returns whatever is in the register, which the bindings' enum must
// not hold.
/// `cuDriverGetVersion`.
type GetVersion = unsafe extern "C" fn(*mut i32) -> u32;
/// `cuInit`.
type Init = unsafe extern "C" fn(u32) -> u32;
/// `cuGetErrorName`.
type GetErrorName = unsafe extern "C" fn(u32, *mut *const c_char) -> u32;

/// Opens `name`, leaving it loaded for good: unloading a driver is not supported by anyone.
fn open(name: PathBuf) -> Option<&'static Library> {
    // SAFETY: libcuda's initialisers run; they are those of the driver that the user installed.
    let library = unsafe { Library::new(name) }.ok()?;
    Some(Box::leak(Box::new(library)))
}

/// Whether the bindings, which look libcuda up by name, find the `library` that is checked here. A profiler puts functions
/// of its own in front of those that are looked up by name; then there must be no other libcuda that they could be.
fn is_bound(library: &Library) -> bool {
    // SAFETY: only asks where the name resolves, in the library of the bindings once that is known to load.
    let [own, bound] = unsafe {
        if !sys::is_culib_present() {
            return false;
        }
        [library, sys::culib()].map(|library| library.get::<*const ()>("cuInit").map(|at| *at))
    };
    match (own, bound) {
        (Ok(own), Ok(bound)) => own == bound || library::is_loaded_once("libcuda.so"),
        _ => false,
    }
}

/// The driver's name of a status.
fn error_name(library: &Library, status: u32) -> String {
    let mut name = std::ptr::null();
    // SAFETY: the type of the function; it sets the pointer to a constant string, or leaves it or clears it.
    unsafe {
        if let Ok(get) = library.get::<GetErrorName>("cuGetErrorName") {
            get(status, &mut name);
        }
        match name.is_null() {
            true => format!("error {status}"),
            false => CStr::from_ptr(name).to_string_lossy().into_owned(),
        }
    }
}

fn load() -> Result<Driver, CudaError> {
    let library = library::candidates("libcuda.so.1")
        .into_iter()
        .find_map(open)
        .ok_or(CudaError::NoDriver)?;
    let library_file = library::loaded("libcuda.so");
    let bad = |why: String| CudaError::BadDriver {
        path: library_file
            .value()
            .map_or("libcuda.so.1", |file| &file.path)
            .into(),
        why,
    };
    let lacks = |symbol: &str| bad(format!("it lacks {symbol}"));
    let mut number = 0;
    // SAFETY: the type of the function; a valid pointer to one int; the call needs no initialisation.
    let status = unsafe {
        let get = library.get::<GetVersion>("cuDriverGetVersion");
        get.map_err(|_| lacks("cuDriverGetVersion"))?(&mut number)
    };
    // Every driver knows its version; the stub's functions are empty.
    if number == 0 || status == sys::CUresult::CUDA_ERROR_STUB_LIBRARY as u32 {
        return Err(bad("it is the toolkit's stub".into()));
    }
    // SAFETY: the type of the function, which has no preconditions.
    let status = unsafe { library.get::<Init>("cuInit").map_err(|_| lacks("cuInit"))?(0) };
    let driver = |devices| Driver {
        library: library_file.clone(),
        cuda_version: version(number),
        devices,
    };
    // Without a device nothing else matters. Then the version: an old driver may fail to start, and lacks functions.
    if status == sys::CUresult::CUDA_ERROR_NO_DEVICE as u32 {
        return Ok(driver(0));
    }
    if status == sys::CUresult::CUDA_ERROR_STUB_LIBRARY as u32 {
        return Err(bad("it is the toolkit's stub".into()));
    }
    if number < NEEDED {
        return Err(CudaError::OldDriver {
            found: version(number),
            needed: version(NEEDED),
        });
    }
    if status != 0 {
        return Err(CudaError::NotStarted {
            code: error_name(library, status),
        });
    }
    for symbol in SYMBOLS {
        // SAFETY: only asks whether the name resolves; the pointer is not used.
        if unsafe { library.get::<*const ()>(*symbol) }.is_err() {
            return Err(lacks(symbol));
        }
    }
    if !is_bound(library) {
        return Err(bad("the name libcuda.so leads to another library".into()));
    }
    let mut devices = 0;
    // SAFETY: a valid pointer to one int.
    check("cuDeviceGetCount", unsafe {
        sys::cuDeviceGetCount(&mut devices)
    })?;
    Ok(driver(devices.unsigned_abs()))
}
