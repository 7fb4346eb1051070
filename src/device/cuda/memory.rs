//! Device memory as one arena cut into spans.

use cudarc::driver::sys;

use super::{
    context::{Cuda, memory_info},
    error::{CudaError, check},
};

/// Bytes of device memory: an address and a length, freely copied. It ends with its arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    address: u64,
    bytes: u64,
}

impl Span {
    /// Device address.
    pub fn address(self) -> u64 {
        self.address
    }

    /// Length in bytes.
    pub fn bytes(self) -> u64 {
        self.bytes
    }

    /// `bytes` bytes from `offset`.
    ///
    /// # Errors
    ///
    /// [`CudaError::OutOfSpan`].
    pub fn part(self, offset: u64, bytes: u64) -> Result<Self, CudaError> {
        match offset.checked_add(bytes) {
            Some(end) if end <= self.bytes => Ok(Self {
                address: self.address + offset,
                bytes,
            }),
            _ => Err(CudaError::OutOfSpan {
                what: "part",
                bytes: offset.saturating_add(bytes),
                span: self.bytes,
            }),
        }
    }
}

/// One allocation, handed out from front to back.
pub struct Arena {
    address: u64,
    bytes: u64,
    used: u64,
}

/// Spans begin at multiples of this: enough for every vector load and bulk copy.
const ALIGNMENT: u64 = 256;

impl Arena {
    /// Bytes that a span of `bytes` takes in an arena.
    pub fn rounded(bytes: u64) -> u64 {
        bytes.next_multiple_of(ALIGNMENT)
    }

    /// Allocates `bytes`.
    ///
    /// # Errors
    ///
    /// [`CudaError::OutOfMemory`], with what is missing.
    pub fn new(_cuda: &Cuda, bytes: u64) -> Result<Self, CudaError> {
        let mut address = 0;
        // SAFETY: a valid pointer; a context is current while a `Cuda` lives. Freed in `drop`.
        let status = unsafe { sys::cuMemAlloc_v2(&mut address, bytes as usize) };
        if status == sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY {
            return Err(CudaError::OutOfMemory {
                needed: bytes,
                free: memory_info().map_or(0, |(free, _)| free),
            });
        }
        check("cuMemAlloc", status)?;
        Ok(Self {
            address,
            bytes,
            used: 0,
        })
    }

    /// The next `bytes`, aligned to 256.
    ///
    /// # Errors
    ///
    /// [`CudaError::OutOfMemory`] when the arena is used up.
    pub fn take(&mut self, bytes: u64) -> Result<Span, CudaError> {
        let free = self.bytes - self.used;
        if Self::rounded(bytes) > free {
            return Err(CudaError::OutOfMemory {
                needed: bytes,
                free,
            });
        }
        let span = Span {
            address: self.address + self.used,
            bytes,
        };
        self.used += Self::rounded(bytes);
        Ok(span)
    }

    /// Takes everything back; spans handed out before must not be used again.
    pub fn clear(&mut self) {
        self.used = 0;
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: the address came from cuMemAlloc and is freed once.
        let _ = unsafe { sys::cuMemFree_v2(self.address) };
    }
}
