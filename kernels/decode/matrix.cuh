// Quantised matrices and the vectors that they are multiplied with.
//
// A matrix keeps the bytes of its GGUF tensor. Types whose blocks are not made of aligned 16-byte words are cut into planes,
// one behind another, and so are those whose upper bits are spread over a block (repack.cu): Q5_K and Q6_K into nibbles |
// upper bits | scales (| d), Q5_0 and Q5_1 into nibbles | upper bits | d (and m), Q8_0 into values | d.
// A lane takes a *unit* of a row at a time: 16 bytes of quants and what they need. Its weights are one or two *runs* of 16
// neighbours; the low nibbles of a unit are one run, the high nibbles another.
//
// A vector is quantised to int16 with a scale for each run, so that weight times value is exact in int32 (dp2a) and the
// rounding of the vector, about 2^-16 of a run's largest value, is far below that of the weights.
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

// Scale of a run, and scale times the sum of its integers.
struct RunScale {
  float scale;
  float sum;
};

// A vector in shared memory, in the forms that were asked for.
struct Vector {
  const float* values;      // [columns]
  const int4* integers;     // [columns / 8], 16-byte chunks at swizzled()
  const RunScale* scales;   // [columns / 16]
};

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

// What a lane loads of a unit.
struct Unit {
  uint4 quants;
  uint4 header;
  uint32_t bits;
};

__device__ __forceinline__ int dot_run(uint4 weights, const Vector& v, uint32_t run) {
  const uint32_t at = swizzled(2 * run);
  const int4 a = v.integers[at], b = v.integers[at ^ 1];
  int sum = 0;
  sum = __dp2a_lo(a.x, static_cast<int>(weights.x), sum);
  sum = __dp2a_hi(a.y, static_cast<int>(weights.x), sum);
  sum = __dp2a_lo(a.z, static_cast<int>(weights.y), sum);
  sum = __dp2a_hi(a.w, static_cast<int>(weights.y), sum);
  sum = __dp2a_lo(b.x, static_cast<int>(weights.z), sum);
  sum = __dp2a_hi(b.y, static_cast<int>(weights.z), sum);
  sum = __dp2a_lo(b.z, static_cast<int>(weights.w), sum);
  sum = __dp2a_hi(b.w, static_cast<int>(weights.w), sum);
  return sum;
}

template <class F>
__device__ __forceinline__ uint4 each(uint4 a, F f) {
  return make_uint4(f(a.x), f(a.y), f(a.z), f(a.w));
}
__device__ __forceinline__ uint4 low_nibbles(uint4 q) {
  return each(q, [](uint32_t w) { return w & 0x0f0f0f0fu; });
}
__device__ __forceinline__ uint4 high_nibbles(uint4 q) {
  return each(q, [](uint32_t w) { return w >> 4 & 0x0f0f0f0fu; });
}

// Nibbles with their fifth bits, that of byte b of word k at bit 8b + k.
__device__ __forceinline__ uint4 with_fifth_bits(uint4 nibbles, uint32_t bits) {
  return make_uint4(nibbles.x | (bits & 0x01010101u) << 4, nibbles.y | (bits >> 1 & 0x01010101u) << 4,
                    nibbles.z | (bits >> 2 & 0x01010101u) << 4, nibbles.w | (bits >> 3 & 0x01010101u) << 4);
}

template <uint32_t TYPE>
struct Block;

// 256 weights in 144 bytes: d, dmin (f16), 8 scales and 8 minima of 6 bits in 12 bytes, 128 bytes of nibbles.
template <>
struct Block<Q4_K> {
  static constexpr uint32_t WEIGHTS = 32;
  static __device__ __forceinline__ Unit load(const Matrix& m, uint64_t row, uint32_t unit) {
    const uint8_t* super = m.plane[0] + (row * (m.columns / 256) + unit / 8) * 144;
    Unit u;
    u.header = load_words(super);
    u.quants = load_words(super + 16 + unit % 8 * 16);
    return u;
  }
  // Scales and minima of sub-blocks 2j and 2j + 1, in the low bytes of two words.
  static __device__ __forceinline__ void scales(uint4 header, uint32_t j, uint32_t& scale, uint32_t& minimum) {
    const uint32_t shift = (j & 1) * 16;
    const uint32_t first = header.y >> shift, second = header.z >> shift, third = header.w >> shift;
    const bool upper = j >= 2;
    scale = upper ? (third & 0x0f0f) | (first & 0xc0c0) >> 2 : first & 0x3f3f;
    minimum = upper ? (third >> 4 & 0x0f0f) | (second & 0xc0c0) >> 2 : second & 0x3f3f;
  }
  static __device__ __forceinline__ float scaled(uint4 low, uint4 high, uint4 header, uint32_t unit, const Vector& v) {
    const uint32_t j = unit % 8 / 2, run = unit / 8 * 16 + j * 4 + unit % 2;
    uint32_t scale, minimum;
    scales(header, j, scale, minimum);
    const RunScale a = v.scales[run], b = v.scales[run + 2];
    const float sum = static_cast<float>(scale & 0xff) * (a.scale * dot_run(low, v, run)) +
                      static_cast<float>(scale >> 8 & 0xff) * (b.scale * dot_run(high, v, run + 2));
    const float offset = static_cast<float>(minimum & 0xff) * a.sum + static_cast<float>(minimum >> 8 & 0xff) * b.sum;
    return half_bits(header.x) * sum - half_bits(header.x >> 16) * offset;
  }
  static __device__ __forceinline__ float dot(const Unit& u, uint32_t unit, const Vector& v) {
    return scaled(low_nibbles(u.quants), high_nibbles(u.quants), u.header, unit, v);
  }
};

// 256 weights in 176 bytes, as planes: 128 bytes of nibbles, a word of fifth bits for each unit, the header of Q4_K.
template <>
struct Block<Q5_K> {
  static constexpr uint32_t WEIGHTS = 32;
  static __device__ __forceinline__ Unit load(const Matrix& m, uint64_t row, uint32_t unit) {
    const uint64_t super = row * (m.columns / 256) + unit / 8;
    Unit u;
    u.quants = load_words(m.plane[0] + super * 128 + unit % 8 * 16);
    u.header = load_words(m.plane[2] + super * 16);
    u.bits = load_read_only<uint32_t>(m.plane[1] + super * 32 + unit % 8 * 4);
    return u;
  }
  static __device__ __forceinline__ float dot(const Unit& u, uint32_t unit, const Vector& v) {
    return Block<Q4_K>::scaled(with_fifth_bits(low_nibbles(u.quants), u.bits), with_fifth_bits(high_nibbles(u.quants), u.bits >> 4),
                               u.header, unit, v);
  }
};

// 256 weights in 210 bytes, as planes: 128 bytes of nibbles, two words of upper bit pairs and two scales (int8) for each
// unit, d (f16). Value d * scale * (q - 32).
template <>
struct Block<Q6_K> {
  static constexpr uint32_t WEIGHTS = 32;
  static __device__ __forceinline__ Unit load(const Matrix& m, uint64_t row, uint32_t unit) {
    const uint64_t super = row * (m.columns / 256) + unit / 8;
    Unit u;
    u.quants = load_words(m.plane[0] + super * 128 + unit % 8 * 16);
    const uint2 bits = load_read_only<uint2>(m.plane[1] + super * 64 + unit % 8 * 8);
    u.header = make_uint4(bits.x, bits.y, load_read_only<uint16_t>(m.plane[2] + super * 16 + unit % 8 * 2),
                          load_read_only<uint16_t>(m.plane[3] + super * 2));
    return u;
  }
  static __device__ __forceinline__ uint4 with_bit_pairs(uint4 nibbles, uint32_t bits) {
    return make_uint4(nibbles.x | (bits & 0x03030303u) << 4, nibbles.y | (bits >> 2 & 0x03030303u) << 4,
                      nibbles.z | (bits >> 4 & 0x03030303u) << 4, nibbles.w | (bits >> 6 & 0x03030303u) << 4);
  }
  static __device__ __forceinline__ float dot(const Unit& u, uint32_t unit, const Vector& v) {
    const uint32_t run = unit / 8 * 16 + unit % 8 / 4 * 8 + unit % 4;
    const float first = static_cast<int8_t>(u.header.z), second = static_cast<int8_t>(u.header.z >> 8);
    const RunScale a = v.scales[run], b = v.scales[run + 4];
    const int low = dot_run(with_bit_pairs(low_nibbles(u.quants), u.header.x), v, run);
    const int high = dot_run(with_bit_pairs(high_nibbles(u.quants), u.header.y), v, run + 4);
    return half_bits(u.header.w) * (first * (a.scale * low - 32.0f * a.sum) + second * (b.scale * high - 32.0f * b.sum));
  }
};

// 16 of 32 weights in 34 bytes, as planes: int8 values, d (f16).
template <>
struct Block<Q8_0> {
  static constexpr uint32_t WEIGHTS = 16;
  static __device__ __forceinline__ Unit load(const Matrix& m, uint64_t row, uint32_t unit) {
    Unit u;
    u.quants = load_words(m.plane[0] + row * m.columns + unit * 16);
    u.header.x = load_read_only<uint16_t>(m.plane[1] + (row * (m.columns / 32) + unit / 2) * 2);
    return u;
  }
  static __device__ __forceinline__ float dot(const Unit& u, uint32_t unit, const Vector& v) {
    return half_bits(u.header.x) * (v.scales[unit].scale * dot_run(u.quants, v, unit));
  }
};

// Bits 4i to 4i + 3 of `bits` as bit 4 of four bytes.
__device__ __forceinline__ uint32_t spread_bits(uint32_t bits, uint32_t i) {
  return ((bits >> 4 * i & 0xf) * 0x00204081u & 0x01010101u) << 4;
}
// Nibbles with fifth bits that lie one behind another, as in the file.
__device__ __forceinline__ uint4 with_bits_in_order(uint4 nibbles, uint32_t bits) {
  return make_uint4(nibbles.x | spread_bits(bits, 0), nibbles.y | spread_bits(bits, 1), nibbles.z | spread_bits(bits, 2),
                    nibbles.w | spread_bits(bits, 3));
}

// 32 weights in 22 bytes, as planes: 16 bytes of nibbles, 32 fifth bits, d (f16). Value d * (q - 16).
template <>
struct Block<Q5_0> {
  static constexpr uint32_t WEIGHTS = 32;
  static __device__ __forceinline__ Unit load(const Matrix& m, uint64_t row, uint32_t unit) {
    const uint64_t block = row * (m.columns / 32) + unit;
    Unit u;
    u.quants = load_words(m.plane[0] + block * 16);
    u.header.x = load_read_only<uint32_t>(m.plane[1] + block * 4);
    u.header.y = load_read_only<uint16_t>(m.plane[2] + block * 2);
    return u;
  }
  static __device__ __forceinline__ float dot(const Unit& u, uint32_t unit, const Vector& v) {
    const RunScale a = v.scales[2 * unit], b = v.scales[2 * unit + 1];
    const int first = dot_run(with_bits_in_order(low_nibbles(u.quants), u.header.x), v, 2 * unit);
    const int second = dot_run(with_bits_in_order(high_nibbles(u.quants), u.header.x >> 16), v, 2 * unit + 1);
    return half_bits(u.header.y) * (a.scale * first + b.scale * second - 16.0f * (a.sum + b.sum));
  }
};

// 32 weights in 24 bytes, as planes: 16 bytes of nibbles, 32 fifth bits, d and m (f16). Value d * q + m.
template <>
struct Block<Q5_1> {
  static constexpr uint32_t WEIGHTS = 32;
  static __device__ __forceinline__ Unit load(const Matrix& m, uint64_t row, uint32_t unit) {
    const uint64_t block = row * (m.columns / 32) + unit;
    Unit u;
    u.quants = load_words(m.plane[0] + block * 16);
    u.header.x = load_read_only<uint32_t>(m.plane[1] + block * 4);
    u.header.y = load_read_only<uint32_t>(m.plane[2] + block * 4);
    return u;
  }
  static __device__ __forceinline__ float dot(const Unit& u, uint32_t unit, const Vector& v) {
    const RunScale a = v.scales[2 * unit], b = v.scales[2 * unit + 1];
    const int first = dot_run(with_bits_in_order(low_nibbles(u.quants), u.header.x), v, 2 * unit);
    const int second = dot_run(with_bits_in_order(high_nibbles(u.quants), u.header.x >> 16), v, 2 * unit + 1);
    return half_bits(u.header.y) * (a.scale * first + b.scale * second) + half_bits(u.header.y >> 16) * (a.sum + b.sum);
  }
};

template <>
struct Block<F32> {
  static constexpr uint32_t WEIGHTS = 4;
  static __device__ __forceinline__ Unit load(const Matrix& m, uint64_t row, uint32_t unit) {
    Unit u;
    u.quants = load_words(m.plane[0] + (row * m.columns + unit * 4) * 4);
    return u;
  }
  static __device__ __forceinline__ float dot(const Unit& u, uint32_t unit, const Vector& v) {
    const float4 x = reinterpret_cast<const float4*>(v.values)[unit];
    return __uint_as_float(u.quants.x) * x.x + __uint_as_float(u.quants.y) * x.y + __uint_as_float(u.quants.z) * x.z +
           __uint_as_float(u.quants.w) * x.w;
  }
};

// 8 weights of 16 bits; `pair` makes two numbers of a word.
template <class Pair>
__device__ __forceinline__ float dot_halves(uint4 words, uint32_t unit, const Vector& v, Pair pair) {
  const float4* x = reinterpret_cast<const float4*>(v.values) + unit * 2;
  const float4 first = x[0], second = x[1];
  const float2 a = pair(words.x), b = pair(words.y), c = pair(words.z), d = pair(words.w);
  return a.x * first.x + a.y * first.y + b.x * first.z + b.y * first.w + c.x * second.x + c.y * second.y + d.x * second.z +
         d.y * second.w;
}

template <>
struct Block<F16> {
  static constexpr uint32_t WEIGHTS = 8;
  static __device__ __forceinline__ Unit load(const Matrix& m, uint64_t row, uint32_t unit) {
    Unit u;
    u.quants = load_words(m.plane[0] + (row * m.columns + unit * 8) * 2);
    return u;
  }
  static __device__ __forceinline__ float dot(const Unit& u, uint32_t unit, const Vector& v) {
    return dot_halves(u.quants, unit, v, [](uint32_t w) { return make_float2(half_bits(w), half_bits(w >> 16)); });
  }
};

template <>
struct Block<BF16> {
  static constexpr uint32_t WEIGHTS = 8;
  static __device__ __forceinline__ Unit load(const Matrix& m, uint64_t row, uint32_t unit) {
    return Block<F16>::load(m, row, unit);
  }
  static __device__ __forceinline__ float dot(const Unit& u, uint32_t unit, const Vector& v) {
    return dot_halves(u.quants, unit, v,
                      [](uint32_t w) { return make_float2(__uint_as_float(w << 16), __uint_as_float(w & 0xffff0000u)); });
  }
};

// Calls f with the block of a type that is known at run time; all lanes of a warp agree on it.
template <class F>
__device__ __forceinline__ void with_block(uint32_t type, F f) {
  switch (type) {
    case Q4_K: return f(Block<Q4_K>{});
    case Q5_K: return f(Block<Q5_K>{});
    case Q6_K: return f(Block<Q6_K>{});
    case Q8_0: return f(Block<Q8_0>{});
    case Q5_0: return f(Block<Q5_0>{});
    case Q5_1: return f(Block<Q5_1>{});
    case F16: return f(Block<F16>{});
    case BF16: return f(Block<BF16>{});
    default: return f(Block<F32>{});
  }
}

__device__ __forceinline__ uint32_t units_of(const Matrix& m) {
  switch (m.type) {
    case F32: return m.columns / 4;
    case F16:
    case BF16: return m.columns / 8;
    case Q8_0: return m.columns / 16;
    default: return m.columns / 32;
  }
}

__device__ __forceinline__ Unit load_unit(const Matrix& m, uint64_t row, uint32_t unit) {
  Unit u;
  with_block(m.type, [&](auto block) { u = decltype(block)::load(m, row, unit); });
  return u;
}

__device__ __forceinline__ float dot_unit(const Matrix& m, const Unit& u, uint32_t unit, const Vector& v) {
  float sum = 0;
  with_block(m.type, [&](auto block) { sum = decltype(block)::dot(u, unit, v); });
  return sum;
}
