// Latency of one dependent load: a single thread follows a cycle of pointers.
// Layout: node i is the 8 bytes at base + i * stride and holds the address of the next node. One thread, one block.
// The links are written by `link_nodes` (any grid) from next[i], a single cycle over all nodes.

#include <cstdint>

extern "C" __global__ void link_nodes(const uint32_t* next, unsigned char* base, uint64_t stride, uint64_t nodes) {
  const uint64_t step = static_cast<uint64_t>(gridDim.x) * blockDim.x;
  for (uint64_t i = blockIdx.x * static_cast<uint64_t>(blockDim.x) + threadIdx.x; i < nodes; i += step)
    *reinterpret_cast<uint64_t*>(base + i * stride) = reinterpret_cast<uint64_t>(base) + next[i] * stride;
}

template <bool THROUGH_L1>
__device__ __forceinline__ uint64_t follow(uint64_t at) {
  uint64_t next;
  if (THROUGH_L1)
    asm volatile("ld.global.ca.u64 %0,[%1];" : "=l"(next) : "l"(at) : "memory");
  else
    asm volatile("ld.global.cg.u64 %0,[%1];" : "=l"(next) : "l"(at) : "memory");
  return next;
}

// *start is the index of the first node; *end becomes the index of the node after `hops` (a multiple of 8) steps.
template <bool THROUGH_L1>
__device__ __forceinline__ void chase(const unsigned char* base, uint64_t stride, uint32_t hops, const uint64_t* start,
                                      uint64_t* end) {
  uint64_t at = reinterpret_cast<uint64_t>(base) + *start * stride;
  for (uint32_t i = 0; i < hops; i += 8) {
#pragma unroll
    for (int u = 0; u < 8; u++) at = follow<THROUGH_L1>(at);
  }
  *end = (at - reinterpret_cast<uint64_t>(base)) / stride;
}

extern "C" __global__ void chase_l1(const unsigned char* base, uint64_t stride, uint32_t hops, const uint64_t* start,
                                    uint64_t* end) {
  chase<true>(base, stride, hops, start, end);
}

extern "C" __global__ void chase_l2(const unsigned char* base, uint64_t stride, uint32_t hops, const uint64_t* start,
                                    uint64_t* end) {
  chase<false>(base, stride, hops, start, end);
}
