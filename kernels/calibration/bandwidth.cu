// Peak rates of the memory system: read by 16-byte loads, read by bulk copies, write, copy, and reads that stay in L2.
// Layout: flat arrays; counts in 16-byte units. Reading kernels write one 64-bit sum per block to out[blockIdx.x].
// Bytes moved: 16 * count (copy: read and written; resident: per pass).

#include "memory_access.cuh"
#include "word.cuh"

extern "C" __global__ void __launch_bounds__(1024, 1) read_loads(const uint4* in, uint64_t count, uint64_t* out) {
  constexpr int IN_FLIGHT = 8;  // per thread: 32 warps x 8 saturate the memory of an H100
  const uint64_t step = static_cast<uint64_t>(gridDim.x) * blockDim.x;
  const uint64_t first = blockIdx.x * static_cast<uint64_t>(blockDim.x) + threadIdx.x;
  const uint64_t sum = strided_sum<IN_FLIGHT>(first, step, count, [=](uint64_t i) { return in + i; });
  store_block_sum(sum, out + blockIdx.x);
}

__device__ __forceinline__ uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

__device__ __forceinline__ void wait_phase(uint64_t* barrier, uint32_t parity) {
  asm volatile(
      "{\n.reg .pred done;\nwait_%=:\nmbarrier.try_wait.parity.shared.b64 done,[%0],%1;\n@!done bra wait_%=;\n}" ::"r"(
          shared_address(barrier)),
      "r"(parity)
      : "memory");
}

// 8 consumer warps and one producer warp per block; the producer keeps `slots` chunks of 16 KiB in flight into shared
// memory. blockDim.x = 288, dynamic shared memory = slots * 16384, slots <= 8, count a multiple of 1024 units.
extern "C" __global__ void __launch_bounds__(288, 1) read_bulk(const uint4* in, uint64_t count, uint32_t slots, uint64_t* out) {
  constexpr uint32_t CHUNK = 16384;
  extern __shared__ __align__(128) unsigned char ring[];
  __shared__ __align__(8) uint64_t full[8], empty[8];
  const uint64_t chunks = count * 16 / CHUNK;
  if (threadIdx.x == 0) {
    for (uint32_t s = 0; s < slots; s++) {
      asm volatile("mbarrier.init.shared.b64 [%0],1;" ::"r"(shared_address(full + s)) : "memory");
      asm volatile("mbarrier.init.shared.b64 [%0],8;" ::"r"(shared_address(empty + s)) : "memory");
    }
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }
  __syncthreads();
  uint64_t sum = 0;
  uint32_t slot = 0, round = 0;
  if (threadIdx.x >= 256) {
    if (threadIdx.x == 256) {
      uint64_t policy;
      asm volatile("createpolicy.fractional.L2::evict_first.b64 %0,1.0;" : "=l"(policy));
      for (uint64_t c = blockIdx.x; c < chunks; c += gridDim.x) {
        wait_phase(empty + slot, (round & 1) ^ 1);
        asm volatile("mbarrier.arrive.expect_tx.shared.b64 _,[%0],%1;" ::"r"(shared_address(full + slot)), "r"(CHUNK)
                     : "memory");
        asm volatile(
            "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [%0],[%1],%2,[%3],%4;" ::"r"(
                shared_address(ring + slot * CHUNK)),
            "l"(reinterpret_cast<const unsigned char*>(in) + c * CHUNK), "r"(CHUNK), "r"(shared_address(full + slot)),
            "l"(policy)
            : "memory");
        if (++slot == slots) slot = 0, round++;
      }
    }
  } else {
    for (uint64_t c = blockIdx.x; c < chunks; c += gridDim.x) {
      wait_phase(full + slot, round & 1);
      const uint4* chunk = reinterpret_cast<const uint4*>(ring + slot * CHUNK);
#pragma unroll
      for (uint32_t i = 0; i < CHUNK / 4096; i++) sum += word_sum(chunk[i * 256 + threadIdx.x]);
      __syncwarp();
      if (threadIdx.x % 32 == 0)
        asm volatile("mbarrier.arrive.shared.b64 _,[%0];" ::"r"(shared_address(empty + slot)) : "memory");
      if (++slot == slots) slot = 0, round++;
    }
  }
  store_block_sum(sum, out + blockIdx.x);
}

// The salt comes from memory, so that a graph captured once writes something new at each replay.
extern "C" __global__ void write_words(ulonglong2* out, uint64_t count, const uint64_t* salt) {
  const uint64_t step = static_cast<uint64_t>(gridDim.x) * blockDim.x;
  const uint64_t key = *salt;
  for (uint64_t i = blockIdx.x * static_cast<uint64_t>(blockDim.x) + threadIdx.x; i < count; i += step)
    out[i] = make_ulonglong2(written_word(key, 2 * i), written_word(key, 2 * i + 1));
}

extern "C" __global__ void copy_words(const uint4* in, uint4* out, uint64_t count) {
  const uint64_t step = static_cast<uint64_t>(gridDim.x) * blockDim.x;
  for (uint64_t i = blockIdx.x * static_cast<uint64_t>(blockDim.x) + threadIdx.x; i < count; i += step) out[i] = in[i];
}

// Reads the array `passes` times. Each pass gives a block another part, so that no pass is served by what the block's own
// SM just read; the sum is that of one pass times `passes`.
extern "C" __global__ void __launch_bounds__(1024, 1) read_resident(const uint4* in, uint64_t count, uint32_t passes,
                                                                 uint64_t* out) {
  constexpr int U = 4;
  const uint64_t step = static_cast<uint64_t>(gridDim.x) * blockDim.x;
  uint64_t sum = 0;
  for (uint32_t pass = 0; pass < passes; pass++) {
    const uint32_t block = (blockIdx.x + pass * 37u) % gridDim.x;
    uint64_t i = block * static_cast<uint64_t>(blockDim.x) + threadIdx.x;
    for (; i + (U - 1) * step < count; i += U * step) {
      uint4 v[U];
#pragma unroll
      for (int u = 0; u < U; u++) v[u] = load_l2(in + i + u * step);
#pragma unroll
      for (int u = 0; u < U; u++) sum += word_sum(v[u]);
    }
    for (; i < count; i += step) sum += word_sum(load_l2(in + i));
  }
  store_block_sum(sum, out + blockIdx.x);
}
