//! Kernel images and the kernels in them.

use std::{cell::OnceCell, ffi::CString};

use cudarc::driver::sys::{self, CUfunction_attribute as Attribute};

use super::{
    context::Cuda,
    error::{CudaError, check},
};

/// A loaded image.
pub struct Image {
    module: sys::CUmodule,
    family: String,
}

/// A kernel of a loaded image.
pub struct Function {
    pub(super) handle: sys::CUfunction,
    pub(super) name: String,
    parameters: OnceCell<Vec<usize>>,
    binary_version: u32,
}

impl Image {
    /// Gives `bytes` (a fatbin or cubin without PTX) to the driver.
    ///
    /// # Errors
    ///
    /// [`CudaError::NoImage`] if nothing in it fits the device; [`CudaError::Call`].
    pub fn load(
        cuda: &Cuda,
        family: &str,
        bytes: &[u8],
        architectures: &[String],
    ) -> Result<Self, CudaError> {
        let mut module = std::ptr::null_mut();
        // The driver reads 8-byte words, which `bytes` need not be aligned to.
        let words: Vec<u64> = bytes
            .chunks(8)
            .map(|chunk| {
                let mut word = [0; 8];
                word[..chunk.len()].copy_from_slice(chunk);
                u64::from_le_bytes(word)
            })
            .collect();
        // SAFETY: a complete image, aligned; the driver copies what it keeps.
        let status = unsafe { sys::cuModuleLoadData(&mut module, words.as_ptr().cast()) };
        if status == sys::CUresult::CUDA_ERROR_NO_BINARY_FOR_GPU {
            let (major, minor) = cuda.facts().capability;
            return Err(CudaError::NoImage {
                family: family.into(),
                capability: format!("{major}{minor}"),
                built: architectures.join(", "),
            });
        }
        check("cuModuleLoadData", status)?;
        Ok(Self {
            module,
            family: family.into(),
        })
    }

    /// The kernel `name`.
    ///
    /// # Errors
    ///
    /// [`CudaError::NoKernel`]; [`CudaError::Call`].
    pub fn function(&self, name: &str) -> Result<Function, CudaError> {
        let missing = || CudaError::NoKernel {
            family: self.family.clone(),
            kernel: name.into(),
        };
        let symbol = CString::new(name).map_err(|_| missing())?;
        let mut handle = std::ptr::null_mut();
        // SAFETY: a valid pointer, module and C string.
        let status = unsafe { sys::cuModuleGetFunction(&mut handle, self.module, symbol.as_ptr()) };
        if status == sys::CUresult::CUDA_ERROR_NOT_FOUND {
            return Err(missing());
        }
        check("cuModuleGetFunction", status)?;
        let mut version = 0;
        // SAFETY: a valid pointer and function.
        check("cuFuncGetAttribute", unsafe {
            sys::cuFuncGetAttribute(
                &mut version,
                Attribute::CU_FUNC_ATTRIBUTE_BINARY_VERSION,
                handle,
            )
        })?;
        Ok(Function {
            handle,
            name: name.into(),
            parameters: OnceCell::new(),
            binary_version: version.unsigned_abs(),
        })
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // SAFETY: loaded once, unloaded once.
        let _ = unsafe { sys::cuModuleUnload(self.module) };
    }
}

impl Function {
    /// Sizes of the first `count` parameters; fewer where the kernel has fewer. Asked once: the driver counts a question
    /// for a parameter that is not there as an error of the program.
    pub(super) fn parameters(&self, count: usize) -> &[usize] {
        self.parameters.get_or_init(|| {
            let size = |index| {
                let (mut offset, mut size) = (0, 0);
                // SAFETY: valid pointers and function; an index past the end is answered with an error.
                let status =
                    unsafe { sys::cuFuncGetParamInfo(self.handle, index, &mut offset, &mut size) };
                (status == sys::CUresult::CUDA_SUCCESS).then_some(size)
            };
            (0..count).map_while(size).collect()
        })
    }

    /// Architecture of the code that the driver chose, e.g. `sm_90`.
    pub fn architecture(&self) -> String {
        format!("sm_{}", self.binary_version)
    }

    /// Asks for as much of each multiprocessor's memory as shared memory as it can be, and so little as L1, so that blocks of
    /// different kernels find the same share wherever they meet.
    ///
    /// # Errors
    ///
    /// [`CudaError::Call`].
    pub fn prefer_shared_memory(&self) -> Result<(), CudaError> {
        // SAFETY: a valid function; the value is per cent.
        check("cuFuncSetAttribute", unsafe {
            sys::cuFuncSetAttribute(
                self.handle,
                Attribute::CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT,
                100,
            )
        })
    }

    /// Allows launches with `bytes` of dynamic shared memory.
    ///
    /// # Errors
    ///
    /// [`CudaError::Call`] where the device has less.
    pub fn allow_shared_memory(&self, bytes: u32) -> Result<(), CudaError> {
        // SAFETY: a valid function.
        check("cuFuncSetAttribute", unsafe {
            sys::cuFuncSetAttribute(
                self.handle,
                Attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                bytes as i32,
            )
        })
    }
}
