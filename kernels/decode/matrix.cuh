// Quantised matrices and the vectors that they are multiplied with.
//
// A matrix keeps the bytes of its GGUF tensor. Types whose blocks are not made of aligned 16-byte words are cut into planes,
// one behind another (repack.cu): Q6_K into nibbles | bit pairs | scales | d, Q8_0 into values | d, Q5_0 and Q5_1 into
// nibbles | fifth bits | d (and m).
// A row is counted in *chunks* of 16 bytes of quants: a warp takes a *step* of 32 chunks at a time, a lane 32 weights of one
// scale (16 of Q8_0, 4 or 8 plain numbers).
//
// A vector is quantised to int16 with a scale for every 32 numbers, so that weight times value is exact in int32 (dp2a) and
// the rounding of the vector, about 2^-16 of the largest of 32, is far below that of the weights.
#pragma once
#include <cuda_fp16.h>

#include <cstdint>

#include "memory_access.cuh"

enum Type : uint32_t {
  F32 = 0,
  F16 = 1,
  Q5_0 = 6,
  Q5_1 = 7,
  Q8_0 = 8,
  Q4_K = 12,
  Q5_K = 13,
  Q6_K = 14,
  BF16 = 30,
};

struct Matrix {
  const uint8_t* plane[4];
  uint32_t type;
  uint32_t columns;
};
static_assert(sizeof(Matrix) == 40, "the host writes this record");

// What 32 numbers of a vector share: their scale, and the scale times the sum of all, of the first 16, of the last 16
// integers.
struct alignas(16) Group {
  float scale, sum, first, last;
};

DYNAMIC_SHARED(dynamic_shared);

// By its place in dynamic shared memory: an address that went through variables would no longer be known to be shared.
template <class T>
__device__ __forceinline__ T& shared_at(uint32_t byte) {
  return *reinterpret_cast<T*>(dynamic_shared + byte);
}

// Where piece `c` (8 int16) lies, so that neighbouring lanes hit different banks.
__device__ __forceinline__ uint32_t swizzled(uint32_t c) { return c ^ (c >> 3 & 3); }

__device__ __forceinline__ float half_bits(uint32_t bits) { return __half2float(__ushort_as_half(static_cast<uint16_t>(bits))); }

// The lowest four bits as bit 4 of four bytes.
__device__ __forceinline__ uint32_t spread_fifth_bits(uint32_t bits) { return (bits & 0xf) * 0x00204081u << 4 & 0x10101010u; }

template <class T>
__device__ __forceinline__ T load_read_only(const uint8_t* p) {
  return __ldg(reinterpret_cast<const T*>(p));
}

__device__ __forceinline__ bool takes_values(const Matrix& m) { return m.type == F32 || m.type == F16 || m.type == BF16; }

__device__ __forceinline__ uint32_t lane_of_warp() { return threadIdx.x % 32; }
