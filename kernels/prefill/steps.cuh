// The quantised types as a product of tensor cores takes them: a step is 128 columns of a row, four groups of 32 weights.
//
// A row's step lies in shared memory as it lies in the file or its planes, PIECES pieces of 16 bytes, rows PITCH bytes apart,
// which keeps the rows that are read together in different banks. `fragment` makes of 16 rows and a group what a product takes;
// weights are int8. What a group shares is fetched with `raw` ahead of time and becomes two factors with `factors`: the weight is
// x * integer + y (MINIMUM), or x and y are the scales of the first and the last 16 (HALVES).
#pragma once
#include "decode/blocks.cuh"
#include "tile.cuh"

constexpr uint32_t STEP_GROUPS = 4;

struct Raw {
  uint32_t a, b;
};

// Bytes minus 128 - LIFT, as int8; none is so large that it would carry.
template <uint32_t LIFT>
__device__ __forceinline__ uint32_t centred(uint32_t w) {
  return (w + LIFT * 0x01010101u) ^ 0x80808080u;
}

// Four words of 16 rows: of rows g and g + 8 the words 4t.. of the first and of the second 16 bytes from `at` on.
__device__ __forceinline__ void load_rows(uint32_t (&a)[4], uint32_t at, uint32_t pitch) {
  const uint32_t lane = lane_of_warp();
  tile::load_matrices(a, tile::shared_address(dynamic_shared) + at + lane % 16 * pitch + lane / 16 * 16);
}
// The same with the first 16 bytes twice.
__device__ __forceinline__ void load_rows_twice(uint32_t (&a)[4], uint32_t at, uint32_t pitch) {
  tile::load_matrices(a, tile::shared_address(dynamic_shared) + at + lane_of_warp() % 16 * pitch);
}

template <uint32_t TYPE>
struct Step;

// Of blocks of 256: a step is a half of one.
struct HalfBlock {
  static constexpr bool STORES_RAW = false;
  static __device__ __forceinline__ uint64_t block(const Matrix& m, uint64_t row, uint32_t step) { return row * (m.columns / 256) + step / 2; }
  static __device__ __forceinline__ bool exists(const Matrix&, uint32_t, uint32_t) { return true; }
};

template <>
struct Step<Q4_K> : HalfBlock {
  static constexpr uint32_t PIECES = 5, PITCH = 80;
  static constexpr bool MINIMUM = true, HALVES = false;
  static __device__ __forceinline__ const uint8_t* piece(const Matrix& m, uint64_t row, uint32_t step, uint32_t i) {
    const uint8_t* const block_at = m.plane[0] + block(m, row, step) * 144;
    return i == 4 ? block_at : block_at + 16 + step % 2 * 64 + i * 16;
  }
  static __device__ __forceinline__ Raw raw(const Matrix&, uint64_t, uint32_t, uint32_t) { return Raw{0, 0}; }
  static __device__ __forceinline__ float2 factors(const Raw&, uint32_t at, uint32_t step, uint32_t group) {
    const Scales s(shared_at<uint4>(at + 64), step % 2 * 4 + group);
    return make_float2(s.d * static_cast<float>(s.scale), -(s.dmin * s.minimum));
  }
  static __device__ __forceinline__ void fragment(uint32_t (&a)[4], uint32_t at, uint32_t, uint32_t group) {
    load_rows(a, at + group / 2 * 32, PITCH);
#pragma unroll
    for (int i = 0; i < 4; i++) a[i] = a[i] >> group % 2 * 4 & 0x0f0f0f0fu;
  }
};

template <>
struct Step<Q5_K> : HalfBlock {
  static constexpr uint32_t PIECES = 7, PITCH = 112;
  static constexpr bool MINIMUM = true, HALVES = false;
  static __device__ __forceinline__ const uint8_t* piece(const Matrix& m, uint64_t row, uint32_t step, uint32_t i) {
    const uint8_t* const block_at = m.plane[0] + block(m, row, step) * 176;
    return i < 4 ? block_at + 48 + step % 2 * 64 + i * 16 : block_at + (i - 4) * 16;
  }
  static __device__ __forceinline__ Raw raw(const Matrix&, uint64_t, uint32_t, uint32_t) { return Raw{0, 0}; }
  static __device__ __forceinline__ float2 factors(const Raw&, uint32_t at, uint32_t step, uint32_t group) {
    return Step<Q4_K>::factors(Raw{0, 0}, at, step, group);
  }
  static __device__ __forceinline__ void fragment(uint32_t (&a)[4], uint32_t at, uint32_t step, uint32_t group) {
    uint32_t bits[4];
    load_rows(a, at + group / 2 * 32, PITCH);
    load_rows(bits, at + 80, PITCH);
#pragma unroll
    for (int i = 0; i < 4; i++) {
      a[i] = (a[i] >> group % 2 * 4 & 0x0f0f0f0fu) | (bits[i] >> (step % 2 * 4 + group) & 0x01010101u) << 4;
    }
  }
};

template <>
struct Step<Q6_K> : HalfBlock {
  static constexpr uint32_t PIECES = 6, PITCH = 112;
  static constexpr bool MINIMUM = false, HALVES = true;
  static __device__ __forceinline__ const uint8_t* piece(const Matrix& m, uint64_t row, uint32_t step, uint32_t i) {
    const uint64_t b = block(m, row, step);
    return i < 4 ? m.plane[0] + b * 128 + step % 2 * 64 + i * 16 : m.plane[1] + b * 64 + step % 2 * 32 + (i - 4) * 16;
  }
  static __device__ __forceinline__ Raw raw(const Matrix& m, uint64_t row, uint32_t step, uint32_t group) {
    const uint64_t b = block(m, row, step);
    return Raw{load_read_only<uint16_t>(m.plane[2] + b * 16 + step % 2 * 8 + group * 2), load_read_only<uint16_t>(m.plane[3] + b * 2)};
  }
  static __device__ __forceinline__ float2 factors(const Raw& raw, uint32_t, uint32_t, uint32_t) {
    const float d = half_bits(raw.b);
    return make_float2(d * static_cast<float>(static_cast<int8_t>(raw.a)), d * static_cast<float>(static_cast<int8_t>(raw.a >> 8)));
  }
  static __device__ __forceinline__ void fragment(uint32_t (&a)[4], uint32_t at, uint32_t, uint32_t group) {
    uint32_t pairs[4];
    load_rows(a, at + group % 2 * 32, PITCH);
    load_rows(pairs, at + 64, PITCH);
#pragma unroll
    for (int i = 0; i < 4; i++) {
      a[i] = centred<0x60>((a[i] >> group / 2 * 4 & 0x0f0f0f0fu) | (pairs[i] >> 2 * group & 0x03030303u) << 4);
    }
  }
};

// Of blocks of 32: a step is four of them, the last of a row fewer.
struct FourBlocks {
  static __device__ __forceinline__ uint64_t block(const Matrix& m, uint64_t row, uint32_t step, uint32_t group) {
    return row * (m.columns / 32) + step * STEP_GROUPS + group;
  }
  static __device__ __forceinline__ bool has(const Matrix& m, uint32_t step, uint32_t group) {
    return step * STEP_GROUPS + group < m.columns / 32;
  }
};

template <>
struct Step<Q8_0> : FourBlocks {
  static constexpr uint32_t PIECES = 8, PITCH = 144;
  static constexpr bool MINIMUM = false, HALVES = false, STORES_RAW = false;
  static __device__ __forceinline__ bool exists(const Matrix& m, uint32_t step, uint32_t i) { return has(m, step, i / 2); }
  static __device__ __forceinline__ const uint8_t* piece(const Matrix& m, uint64_t row, uint32_t step, uint32_t i) {
    return m.plane[0] + block(m, row, step, 0) * 32 + i * 16;
  }
  static __device__ __forceinline__ Raw raw(const Matrix& m, uint64_t row, uint32_t step, uint32_t group) {
    if (!has(m, step, group)) return Raw{0, 0};
    return Raw{load_read_only<uint16_t>(m.plane[1] + block(m, row, step, group) * 2), 0};
  }
  static __device__ __forceinline__ float2 factors(const Raw& raw, uint32_t, uint32_t, uint32_t) {
    return make_float2(half_bits(raw.a), 0);
  }
  static __device__ __forceinline__ void fragment(uint32_t (&a)[4], uint32_t at, uint32_t, uint32_t group) {
    load_rows(a, at + group * 32, PITCH);
  }
};

// Nibbles, those of the last 16 weights above those of the first; fifth bits lie behind the nibbles, a word a group.
struct FifthBitBlocks : FourBlocks {
  static constexpr uint32_t PIECES = 4, PITCH = 80;
  static constexpr bool HALVES = false, STORES_RAW = true;
  static __device__ __forceinline__ bool exists(const Matrix& m, uint32_t step, uint32_t i) { return has(m, step, i); }
  static __device__ __forceinline__ const uint8_t* piece(const Matrix& m, uint64_t row, uint32_t step, uint32_t i) {
    return m.plane[0] + block(m, row, step, i) * 16;
  }
  static __device__ __forceinline__ void codes(uint32_t (&a)[4], uint32_t at, uint32_t group) {
    load_rows_twice(a, at + group * 16, PITCH);
    const uint32_t row = at + lane_of_warp() / 4 * PITCH + 64 + group * 4, t = lane_of_warp() % 4 * 4;
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const uint32_t bits = shared_at<uint32_t>(row + i % 2 * 8 * PITCH);
      a[i] = (a[i] >> i / 2 * 4 & 0x0f0f0f0fu) | spread_fifth_bits(bits >> (t + i / 2 * 16));
    }
  }
};

template <>
struct Step<Q5_0> : FifthBitBlocks {
  static constexpr bool MINIMUM = false;
  static __device__ __forceinline__ Raw raw(const Matrix& m, uint64_t row, uint32_t step, uint32_t group) {
    if (!has(m, step, group)) return Raw{0, 0};
    const uint64_t b = block(m, row, step, group);
    return Raw{load_read_only<uint16_t>(m.plane[2] + b * 2), load_read_only<uint32_t>(m.plane[1] + b * 4)};
  }
  static __device__ __forceinline__ float2 factors(const Raw& raw, uint32_t, uint32_t, uint32_t) {
    return make_float2(half_bits(raw.a), 0);
  }
  static __device__ __forceinline__ void fragment(uint32_t (&a)[4], uint32_t at, uint32_t, uint32_t group) {
    codes(a, at, group);
#pragma unroll
    for (int i = 0; i < 4; i++) a[i] = centred<0x70>(a[i]);
  }
};

template <>
struct Step<Q5_1> : FifthBitBlocks {
  static constexpr bool MINIMUM = true;
  static __device__ __forceinline__ Raw raw(const Matrix& m, uint64_t row, uint32_t step, uint32_t group) {
    if (!has(m, step, group)) return Raw{0, 0};
    const uint64_t b = block(m, row, step, group);
    return Raw{load_read_only<uint32_t>(m.plane[2] + b * 4), load_read_only<uint32_t>(m.plane[1] + b * 4)};
  }
  static __device__ __forceinline__ float2 factors(const Raw& raw, uint32_t, uint32_t, uint32_t) {
    return make_float2(half_bits(raw.a), half_bits(raw.a >> 16));
  }
  static __device__ __forceinline__ void fragment(uint32_t (&a)[4], uint32_t at, uint32_t, uint32_t group) { codes(a, at, group); }
};
