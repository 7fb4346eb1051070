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
/// Threads of `project_wide` and `project_deep`, one block per SM.
pub const PROJECT_THREADS: u32 = 512;
/// Threads of `head`, one block per SM.
pub const HEAD_THREADS: u32 = 512;
/// Threads of `experts_down`, one block per SM.
pub const EXPERTS_DOWN_THREADS: u32 = 512;
/// Threads of `experts_up`, one block per SM: a warp more, which chooses the experts meanwhile.
pub const EXPERTS_UP_THREADS: u32 = 544;
/// Threads of `next_token`, one block.
pub const NEXT_TOKEN_THREADS: u32 = 512;
/// Threads of `attention_combine`; a block makes so many elements of a head.
pub const COMBINE_THREADS: u32 = 512;
/// Elements of a head that a block of `attention_combine` makes.
pub const COMBINE_ELEMENTS: u32 = 64;
/// Threads of `delta_step_*`.
pub const DELTA_THREADS: u32 = 256;
/// Rows of a head's state that a block of `delta_step_*` takes.
pub const DELTA_ROWS: u32 = 32;
/// Blocks of attention per SM at long context.
pub const ATTENTION_BLOCKS_PER_SM: u32 = 2;
/// Fewer positions are not split off.
pub const ATTENTION_POSITIONS: u32 = 32;
/// Threads of `repack` and `restore`.
pub const REPACK_THREADS: u32 = 256;
/// Blocks per SM of `repack` and `restore`.
pub const REPACK_BLOCKS_PER_SM: u32 = 16;
/// Dynamic shared memory that a decode kernel may ask for: what every supported GPU has, 99 KiB, less what is static.
pub const DYNAMIC_BYTES_MAX: u32 = 95 * 1024;
