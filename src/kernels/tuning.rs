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
/// Warps of a block of `project`, `experts_up`, `experts_down` and `head`.
pub const ROW_WARPS: u32 = 16;
/// Threads of those, one block per SM, while another one's begins.
pub const ROW_THREADS: u32 = 32 * ROW_WARPS;
/// Warps of a block of `head_k`, the most that have room.
pub const HEAD_WARPS: [u32; 2] = [32, 24];
/// Most numbers of a vector that such a block makes a norm of: 8 for each thread.
pub const NORM_COLUMNS: u32 = 8 * ROW_THREADS;
/// The same of `experts_up`, whose last warp chooses experts meanwhile.
pub const NORM_COLUMNS_UP: u32 = NORM_COLUMNS - 8 * 32;
/// Threads of `next_token`, of which one block has work.
pub const NEXT_TOKEN_THREADS: u32 = 512;
/// Threads of `attention_combine`; a block makes so many elements of a head.
pub const COMBINE_THREADS: u32 = 512;
/// Elements of a head that a block of `attention_combine` makes.
pub const COMBINE_ELEMENTS: u32 = 64;
/// Threads of `delta_step_*`.
pub const DELTA_THREADS: u32 = 256;
/// Rows of a head's state that a block of `delta_step_*` takes.
pub const DELTA_ROWS: u32 = 32;
/// Blocks of attention per SM for a long context. For a short one and over a window it is one.
pub const ATTENTION_BLOCKS_PER_SM: u32 = 2;
/// Most tokens of a short context.
pub const SHORT_CONTEXT: usize = 16_384;
/// Most tokens of a context whose splits attention joins by itself; one block would take too long to join more.
pub const JOINED_CONTEXT: usize = 1024;
/// Fewer positions are not split off.
pub const ATTENTION_POSITIONS: u32 = 32;
/// Threads of `repack` and `restore`.
pub const REPACK_THREADS: u32 = 256;
/// Blocks per SM of `repack` and `restore`.
pub const REPACK_BLOCKS_PER_SM: u32 = 16;
/// Shared memory that decode kernels have beside what they ask for.
pub const STATIC_BYTES: u32 = 5 * 1024;
/// Dynamic shared memory that a decode kernel may need at least: what every supported GPU has, 99 KiB, less what is static.
pub const DYNAMIC_BYTES_MAX: u32 = 99 * 1024 - STATIC_BYTES;
/// What the driver keeps of an SM's shared memory for every block.
pub const RESERVED_BYTES: u32 = 1024;
