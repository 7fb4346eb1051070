//! Host memory that the device reads and writes in place: a flag, a row of words. Knows no kernel.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use cudarc::driver::sys;

use super::{
    context::Cuda,
    error::{CudaError, check},
};

/// Page-locked bytes, mapped into the device's address space.
pub(super) struct Pinned {
    host: *mut u8,
    bytes: usize,
    address: u64,
}

impl Pinned {
    /// `bytes` bytes of value 0.
    pub fn new(_cuda: &Cuda, bytes: usize) -> Result<Self, CudaError> {
        let mut host = std::ptr::null_mut();
        // SAFETY: a valid pointer; mapped memory, freed in `drop`.
        check("cuMemHostAlloc", unsafe {
            sys::cuMemHostAlloc(&mut host, bytes, sys::CU_MEMHOSTALLOC_DEVICEMAP)
        })?;
        let mut pinned = Self {
            host: host.cast(),
            bytes,
            address: 0,
        };
        // SAFETY: `host` was allocated as mapped.
        check("cuMemHostGetDevicePointer", unsafe {
            sys::cuMemHostGetDevicePointer_v2(&mut pinned.address, host, 0)
        })?;
        // SAFETY: `bytes` bytes that nobody else knows of yet.
        unsafe { std::ptr::write_bytes(pinned.host, 0, bytes) };
        Ok(pinned)
    }

    /// Where the host sees it.
    pub fn host(&self) -> *mut u8 {
        self.host
    }

    /// Where the device sees it.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Length in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: allocated by cuMemHostAlloc, freed once.
        let _ = unsafe { sys::cuMemFreeHost(self.host.cast()) };
    }
}

/// A 32-bit word in pinned host memory that the device sees at `address`.
pub struct HostFlag(Pinned);

impl HostFlag {
    /// A flag of value 0.
    ///
    /// # Errors
    ///
    /// [`CudaError::Call`].
    pub fn new(cuda: &Cuda) -> Result<Self, CudaError> {
        Pinned::new(cuda, size_of::<u32>()).map(Self)
    }

    /// Address for kernels.
    pub fn address(&self) -> u64 {
        self.0.address()
    }

    fn word(&self) -> &AtomicU32 {
        // SAFETY: four bytes, aligned to a page, that live as long as `self`.
        unsafe { &*self.0.host().cast_const().cast() }
    }

    /// Stores `value`.
    pub fn set(&self, value: u32) {
        self.word().store(value, Ordering::SeqCst);
    }

    /// The value.
    pub fn get(&self) -> u32 {
        self.word().load(Ordering::SeqCst)
    }
}

/// 64-bit words in pinned host memory, which the host may read while the device writes them.
pub struct HostWords(Pinned);

impl HostWords {
    /// `count` words of value 0.
    ///
    /// # Errors
    ///
    /// [`CudaError::Call`].
    pub fn new(cuda: &Cuda, count: usize) -> Result<Self, CudaError> {
        Pinned::new(cuda, count.max(1) * size_of::<u64>()).map(Self)
    }

    /// Address for kernels.
    pub fn address(&self) -> u64 {
        self.0.address()
    }

    fn words(&self) -> &[AtomicU64] {
        let count = self.0.bytes() / size_of::<u64>();
        // SAFETY: `count` words, aligned to a page, that live as long as `self`; both sides write whole words.
        unsafe { std::slice::from_raw_parts(self.0.host().cast_const().cast(), count) }
    }

    /// Word `index`, and with it all that the device wrote before it released the word; 0 where there is no such word.
    pub fn get(&self, index: usize) -> u64 {
        let word = self.words().get(index);
        word.map_or(0, |word| word.load(Ordering::Acquire))
    }

    /// Sets every word to 0. The device must not be writing.
    pub fn clear(&self) {
        self.words()
            .iter()
            .for_each(|word| word.store(0, Ordering::SeqCst));
    }
}
