//! The one table of launch shapes. Chosen on an H100 (sm_90) and not swept on other GPUs, for which blocks scale by
//! the number of SMs.

/// Threads of `read_loads` and `read_resident`, one block per SM: 32 warps with 8 loads of 16 bytes in flight each.
pub const READ_THREADS: u32 = 1024;
/// Threads of `read_bulk`: 8 consumer warps and the producer's.
pub const BULK_THREADS: u32 = 288;
/// Bytes of one bulk copy.
pub const BULK_CHUNK_BYTES: u32 = 16 * 1024;
/// Most chunks in flight per SM; devices with less shared memory use fewer.
pub const BULK_SLOTS: u32 = 8;
/// Shared memory that `read_bulk` needs beside its ring.
pub const BULK_STATIC_BYTES: u32 = 1024;
/// Threads of kernels that store: fill, write, copy, compare, link.
pub const STORE_THREADS: u32 = 512;
/// Blocks per SM of kernels that store.
pub const STORE_BLOCKS_PER_SM: u32 = 16;
/// Threads of the edge kernels, one block per SM.
pub const EDGE_THREADS: u32 = 256;
/// Threads of the tensor-core kernels, one block per SM.
pub const TENSOR_THREADS: u32 = 1024;
/// Threads of `kv_read` and `expert_fetch`.
pub const FETCH_THREADS: u32 = 512;
/// Blocks per SM of `kv_read` and `expert_fetch`.
pub const FETCH_BLOCKS_PER_SM: u32 = 2;
