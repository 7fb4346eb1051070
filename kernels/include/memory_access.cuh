// 16-byte loads with stated cache policy, and the block-wide sum that every reading kernel returns.
#pragma once
#include <cstdint>

// The dynamic shared memory of a block under a name.
#define DYNAMIC_SHARED(name) extern __shared__ __align__(128) unsigned char name[]

// Read once, keep nothing in L1.
__device__ __forceinline__ uint4 load_streaming(const uint4* p) {
  uint4 v;
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0,%1,%2,%3},[%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(p));
  return v;
}

// Read through L2, never from L1.
__device__ __forceinline__ uint4 load_l2(const uint4* p) {
  uint4 v;
  asm volatile("ld.global.cg.v4.u32 {%0,%1,%2,%3},[%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(p));
  return v;
}

// Sum of the two 64-bit words of 16 bytes, modulo 2^64.
__device__ __forceinline__ uint64_t word_sum(uint4 v) {
  return (static_cast<uint64_t>(v.y) << 32 | v.x) + (static_cast<uint64_t>(v.w) << 32 | v.z);
}

// Sums the words of 16-byte units i = first, first + step, ... below count, U loads in flight. `at(i)` is the address of
// unit i. The last batch is predicated: a tail of single loads would cost a memory latency each.
template <int U, typename Index, typename Address>
__device__ __forceinline__ uint64_t strided_sum(Index first, Index step, Index count, Address at) {
  uint64_t sum = 0;
  for (Index i = first; i < count; i += U * step) {
    uint4 v[U];
#pragma unroll
    for (int u = 0; u < U; u++) {
      const Index unit = i + u * step;
      v[u] = make_uint4(0, 0, 0, 0);
      if (unit < count) v[u] = load_streaming(at(unit));
    }
#pragma unroll
    for (int u = 0; u < U; u++) sum += word_sum(v[u]);
  }
  return sum;
}

// Writes the sum over the block to `out`. All threads of the block call it once; blockDim.x is a multiple of 32.
__device__ __forceinline__ void store_block_sum(uint64_t sum, uint64_t* out) {
  __shared__ uint64_t partial[32];
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_down_sync(~0u, sum, offset);
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    sum = 0;
    for (unsigned w = 0; w < blockDim.x / 32; w++) sum += partial[w];
    *out = sum;
  }
}
