// Quantised matrices and the vectors that they are multiplied with.
//
// A matrix keeps the bytes of its GGUF tensor. Types whose blocks are not made of aligned 16-byte words are cut into planes,
// one behind another, and so are those whose upper bits are spread over a block (repack.cu): Q5_K and Q6_K into nibbles |
// upper bits | scales (| d), Q5_0 and Q5_1 into nibbles | upper bits | d (and m), Q8_0 into values | d.
// A lane takes a *unit* of a row at a time: 16 bytes of quants and what they need; a warp takes a *step*, 32 units that
// follow each other. A unit's weights are one or two *runs* of 16 neighbours: the low nibbles of a unit are one run, the
// high nibbles another. A step is a multiple of every block, so what a lane has to do with its unit is the same in all
// steps; 8 lanes share a block of 256 weights.
//
// A vector is quantised to int16 with a scale for each run, so that weight times value is exact in int32 (dp2a) and the
// rounding of the vector, about 2^-16 of a run's largest value, is far below that of the weights. It is padded with zeros
// to whole steps.
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

// Where a matrix' planes begin.
struct Planes {
  const uint8_t* at[4];
};
__device__ __forceinline__ Planes planes_of(const Matrix& m) { return Planes{{m.plane[0], m.plane[1], m.plane[2], m.plane[3]}}; }

// Scale of a run, and scale times the sum of its integers.
struct alignas(8) RunScale {
  float scale;
  float sum;
};

DYNAMIC_SHARED(dynamic_shared);

// By its place in dynamic shared memory: an address that went through variables would no longer be known to be shared.
template <class T>
__device__ __forceinline__ const T& shared_at(uint32_t byte) {
  return *reinterpret_cast<const T*>(dynamic_shared + byte);
}

// A vector in shared memory, in the forms that were asked for: where each begins, in bytes.
struct Vector {
  uint32_t values;    // float [padded columns]
  uint32_t integers;  // int4 [padded columns / 8], 16-byte chunks at swizzled()
  uint32_t scales;    // RunScale [padded columns / 16]
};

// Columns of the largest step, which vectors are padded to.
constexpr uint32_t STEP_COLUMNS = 1024;

// Where chunk `c` (8 int16) lies, so that neighbouring lanes hit different banks in the run orders of all types.
__device__ __forceinline__ uint32_t swizzled(uint32_t c) {
  const uint32_t line = c >> 3;
  return c ^ ((line & 1) * 6) ^ (line >> 1 & 1);
}

__device__ __forceinline__ float half_bits(uint32_t bits) { return __half2float(__ushort_as_half(static_cast<uint16_t>(bits))); }

__device__ __forceinline__ uint4 load_words(const uint8_t* p) { return load_streaming(reinterpret_cast<const uint4*>(p)); }

template <class T>
__device__ __forceinline__ T load_read_only(const uint8_t* p) {
  return __ldg(reinterpret_cast<const T*>(p));
}

__device__ __forceinline__ bool takes_values(const Matrix& m) { return m.type == F32 || m.type == F16 || m.type == BF16; }

// Units of a row.
__device__ __forceinline__ uint32_t units_of(const Matrix& m) {
  switch (m.type) {
    case F32: return m.columns / 4;
    case F16:
    case BF16: return m.columns / 8;
    case Q8_0: return m.columns / 16;
    default: return m.columns / 32;
  }
}
