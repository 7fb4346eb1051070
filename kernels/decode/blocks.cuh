// The types of rows: where the bytes of a step lie in memory and in a warp's slot, and what a lane makes of its chunk.
//
// Slot of a row's step: SPAN chunks of quants, then EXTRAS chunks of what the quants need, in the order of `extra`. Bytes that
// do not begin at a multiple of 16 are fetched with those around them; `block`, the number of the step's first block in the
// matrix, tells how far they are off.
#pragma once
#include "integers.cuh"
#include "vector.cuh"

// A run of 16 bytes beside the quants that a lane fetches for a step.
struct Extra {
  uint32_t plane;   // which plane
  uint32_t offset;  // in bytes, from that of the step's first block
  uint32_t stride;  // bytes of a block in that plane
  uint32_t need;    // it is needed if the bytes in front, up to the last block's end, are more than this
};

// 16 weights (bytes) times 8 pairs.
__device__ __forceinline__ int dot_signed(uint4 weights, int4 low, int4 high, int sum) {
  sum = __dp2a_lo(low.x, static_cast<int>(weights.x), sum);
  sum = __dp2a_hi(low.y, static_cast<int>(weights.x), sum);
  sum = __dp2a_lo(low.z, static_cast<int>(weights.y), sum);
  sum = __dp2a_hi(low.w, static_cast<int>(weights.y), sum);
  sum = __dp2a_lo(high.x, static_cast<int>(weights.z), sum);
  sum = __dp2a_hi(high.y, static_cast<int>(weights.z), sum);
  sum = __dp2a_lo(high.z, static_cast<int>(weights.w), sum);
  return __dp2a_hi(high.w, static_cast<int>(weights.w), sum);
}
// The same with weights of 0 to 255.
__device__ __forceinline__ int dot_unsigned(uint4 weights, int4 low, int4 high, int sum) {
  sum = dot_low_bytes(low.x, weights.x, sum);
  sum = dot_high_bytes(low.y, weights.x, sum);
  sum = dot_low_bytes(low.z, weights.y, sum);
  sum = dot_high_bytes(low.w, weights.y, sum);
  sum = dot_low_bytes(high.x, weights.z, sum);
  sum = dot_high_bytes(high.y, weights.z, sum);
  sum = dot_low_bytes(high.z, weights.w, sum);
  return dot_high_bytes(high.w, weights.w, sum);
}

template <class F>
__device__ __forceinline__ uint4 each_word(uint4 a, F f) {
  return make_uint4(f(a.x), f(a.y), f(a.z), f(a.w));
}
template <class F>
__device__ __forceinline__ uint4 each_word(uint4 a, uint4 b, F f) {
  return make_uint4(f(a.x, b.x), f(a.y, b.y), f(a.z, b.z), f(a.w, b.w));
}
__device__ __forceinline__ uint32_t rotated_left(uint32_t word, uint32_t bits) { return __funnelshift_l(word, word, bits); }

// 32 numbers of a vector, one half after the other.
struct Numbers32 {
  uint32_t at, turn;  // pieces 4 * unit.., and what their swizzle adds
  Group group;
  // `unit` counts groups of 32 numbers.
  __device__ __forceinline__ Numbers32(const Vector& v, uint32_t unit)
      : at(v.place + unit * 64), turn((unit >> 1 & 3) * 16), group(shared_at<Group>(v.groups + unit * 16)) {}
  __device__ __forceinline__ int4 piece(uint32_t i) const { return shared_at<int4>(at + (i * 16 ^ turn)); }
};

// How a type lies and is multiplied. `dot(quants, extras, v, lane, unit, block)`: the product of chunk `lane` of the step
// whose slot has its parts at `quants` and `extras`, with numbers 32 * unit.. of the vector (16 * unit.. of Q8_0, `WEIGHTS` *
// unit.. of plain numbers).
template <uint32_t TYPE>
struct Block;

// What 32 weights of a block of 256 share. Header: d, dmin (f16), then 8 scales and 8 minima of 6 bits in 12 bytes, those of
// numbers 4 and more in two parts.
struct Scales {
  float d, dmin, minimum;
  int scale;
  __device__ __forceinline__ Scales(uint4 header, uint32_t s) {
    const bool upper = s >= 4;
    const uint32_t shift = s % 4 * 8, low = upper ? 0x0f : 0x3f, high = upper ? 0x30 : 0;
    scale = static_cast<int>(((upper ? header.w : header.y) >> shift & low) | (header.y >> (shift + 2) & high));
    minimum = static_cast<float>(((upper ? header.w : header.z) >> (upper ? shift + 4 : shift) & low) | (header.z >> (shift + 2) & high));
    d = half_bits(header.x);
    dmin = half_bits(header.x >> 16);
  }
  __device__ __forceinline__ float product(int sum, const Group& g) const {
    return d * (g.scale * static_cast<float>(sum * scale)) - dmin * (minimum * g.sum);
  }
};

// 256 weights in 144 bytes: a header, 128 bytes of nibbles. Weights 32s.. are the low (s even) or high nibbles of bytes
// 32 * (s / 2)...
template <>
struct Block<Q4_K> {
  static constexpr bool VALUES = false;
  static constexpr uint32_t CHUNKS = 8, STRIDE = 144, START = 16;
  template <uint32_t SPAN>
  static constexpr uint32_t EXTRAS = SPAN / 8;
  template <uint32_t SPAN>
  static __device__ __forceinline__ Extra extra(uint32_t k) {
    return Extra{0, k * 144, 144, k * 144};
  }
  template <uint32_t SPAN>
  static __device__ __forceinline__ float dot(uint32_t quants, uint32_t extras, const Vector& v, uint32_t lane, uint32_t unit, uint32_t) {
    const uint32_t block = lane / 8, s = lane % 8, high = s % 2 * 4;
    const Numbers32 x(v, unit);
    // Halves lie the other way round in every second block, for the banks.
    const uint32_t half = quants + block * 128 + s / 2 * 32, first = half + block % 2 * 16;
    const uint32_t mask = 0x0f0f0f0fu << high;
    auto nibbles = [&](uint32_t from) { return each_word(shared_at<uint4>(from), [&](uint32_t w) { return w & mask; }); };
    int sum = dot_unsigned(nibbles(first), x.piece(0), x.piece(1), 0);
    sum = dot_unsigned(nibbles(first ^ 16), x.piece(2), x.piece(3), sum);
    return Scales(shared_at<uint4>(extras + block * 16), s).product(sum >> high, x.group);
  }
};

// 256 weights in 176 bytes: the header of Q4_K, 32 bytes of fifth bits, that of weight 32s + i at bit s of byte i, nibbles.
template <>
struct Block<Q5_K> {
  static constexpr bool VALUES = false;
  static constexpr uint32_t CHUNKS = 8, STRIDE = 176, START = 48;
  template <uint32_t SPAN>
  static constexpr uint32_t EXTRAS = SPAN / 8 * 3;
  template <uint32_t SPAN>
  static __device__ __forceinline__ Extra extra(uint32_t k) {
    return Extra{0, k / 3 * 176 + k % 3 * 16, 176, k / 3 * 176};
  }
  template <uint32_t SPAN>
  static __device__ __forceinline__ float dot(uint32_t quants, uint32_t extras, const Vector& v, uint32_t lane, uint32_t unit, uint32_t) {
    const uint32_t block = lane / 8, s = lane % 8, high = s % 2 * 4;
    const Numbers32 x(v, unit);
    const uint32_t half = quants + block * 128 + s / 2 * 32, first = half + block % 2 * 16, header = extras + block * 48;
    auto weights = [&](uint32_t from, uint32_t bits) {
      return each_word(shared_at<uint4>(from), shared_at<uint4>(bits), [&](uint32_t w, uint32_t b) {
        return (w >> high & 0x0f0f0f0fu) | (rotated_left(b, 36 - s) & 0x10101010u);
      });
    };
    int sum = dot_unsigned(weights(first, header + 16), x.piece(0), x.piece(1), 0);
    sum = dot_unsigned(weights(first ^ 16, header + 32), x.piece(2), x.piece(3), sum);
    return Scales(shared_at<uint4>(header), s).product(sum, x.group);
  }
};

// 256 weights in 210 bytes, as planes: 128 bytes of nibbles, 64 of bit pairs, 16 scales (int8), d (f16). Of weights 128n +
// 32t + i, nibbles are those of bytes 64n + 32 (t % 2) + i, low for t < 2, the pair at bits 2t of byte 32n + i, and two scales
// numbers 8n + 2t and 8n + 2t + 1. Value d * scale * (q - 32).
template <>
struct Block<Q6_K> {
  static constexpr bool VALUES = false;
  static constexpr uint32_t CHUNKS = 8, STRIDE = 128, START = 0;
  template <uint32_t SPAN>
  static constexpr uint32_t EXTRAS = SPAN / 8 * 5 + 2;
  template <uint32_t SPAN>
  static __device__ __forceinline__ Extra extra(uint32_t k) {
    constexpr uint32_t BLOCKS = SPAN / 8;
    if (k < BLOCKS * 4) return Extra{1, k * 16, 64, k * 16};
    if (k < BLOCKS * 5) return Extra{2, (k - BLOCKS * 4) * 16, 16, (k - BLOCKS * 4) * 16};
    return Extra{3, (k - BLOCKS * 5) * 16, 2, (k - BLOCKS * 5) * 16};
  }
  template <uint32_t SPAN>
  static __device__ __forceinline__ float dot(uint32_t quants, uint32_t extras, const Vector& v, uint32_t lane, uint32_t unit, uint32_t first_block) {
    constexpr uint32_t BLOCKS = SPAN / 8;
    const uint32_t block = lane / 8, s = lane % 8, t = s % 4;
    const Numbers32 x(v, unit);
    const uint32_t half = quants + block * 128 + s / 4 * 64 + t % 2 * 32, first = half + block % 2 * 16;
    const uint32_t pairs = extras + block * 64 + s / 4 * 32;
    auto weights = [&](uint32_t from, uint32_t bits) {
      return each_word(shared_at<uint4>(from), shared_at<uint4>(bits), [&](uint32_t w, uint32_t b) {
        return (w >> t / 2 * 4 & 0x0f0f0f0fu) | (rotated_left(b, 36 - 2 * t) & 0x30303030u);
      });
    };
    const int one = dot_unsigned(weights(first, pairs), x.piece(0), x.piece(1), 0);
    const int two = dot_unsigned(weights(first ^ 16, pairs + 16), x.piece(2), x.piece(3), 0);
    const uint32_t scales = shared_at<uint16_t>(extras + BLOCKS * 64 + lane * 2);
    const float d = half_bits(shared_at<uint16_t>(extras + BLOCKS * 80 + (2 * first_block & 15) + block * 2));
    const float of_one = static_cast<float>(static_cast<int8_t>(scales)), of_two = static_cast<float>(static_cast<int8_t>(scales >> 8));
    return d * (of_one * (x.group.scale * static_cast<float>(one) - 32.0f * x.group.first) +
                of_two * (x.group.scale * static_cast<float>(two) - 32.0f * x.group.last));
  }
};

// 32 weights in 34 bytes, as planes: int8 values, d (f16).
template <>
struct Block<Q8_0> {
  static constexpr bool VALUES = false;
  static constexpr uint32_t CHUNKS = 2, STRIDE = 32, START = 0;
  template <uint32_t SPAN>
  static constexpr uint32_t EXTRAS = SPAN / 16 + 1;
  template <uint32_t SPAN>
  static __device__ __forceinline__ Extra extra(uint32_t k) {
    return Extra{1, k * 16, 2, k * 16};
  }
  template <uint32_t SPAN>
  static __device__ __forceinline__ float dot(uint32_t quants, uint32_t extras, const Vector& v, uint32_t lane, uint32_t unit, uint32_t block) {
    const Numbers32 x(v, unit / 2);
    const uint32_t i = unit % 2 * 2;
    const int sum = dot_signed(shared_at<uint4>(quants + lane * 16), x.piece(i), x.piece(i + 1), 0);
    const float d = half_bits(shared_at<uint16_t>(extras + (2 * block & 15) + lane / 2 * 2));
    return d * (x.group.scale * static_cast<float>(sum));
  }
};

// Nibbles, and behind them a fifth bit each; those of the low nibbles first.
__device__ __forceinline__ int dot_fifth_bits(uint32_t quants, uint32_t bits, const Numbers32& x) {
  const uint4 q = shared_at<uint4>(quants);
  auto weights = [&](uint32_t shift, uint32_t b) {
    auto with = [&](uint32_t w, uint32_t i) { return (w >> shift & 0x0f0f0f0fu) | spread_fifth_bits(b >> 4 * i); };
    return make_uint4(with(q.x, 0), with(q.y, 1), with(q.z, 2), with(q.w, 3));
  };
  const int sum = dot_unsigned(weights(0, bits), x.piece(0), x.piece(1), 0);
  return dot_unsigned(weights(4, bits >> 16), x.piece(2), x.piece(3), sum);
}

// What lies where in blocks of 32 weights with fifth bits, as planes: 16 bytes of nibbles, 4 of fifth bits, FACTORS bytes.
template <uint32_t FACTORS>
struct FifthBits {
  static constexpr bool VALUES = false;
  static constexpr uint32_t CHUNKS = 1, STRIDE = 16, START = 0;
  template <uint32_t SPAN>
  static constexpr uint32_t BITS = SPAN / 4 + 1;
  template <uint32_t SPAN>
  static constexpr uint32_t EXTRAS = BITS<SPAN> + SPAN * FACTORS / 16 + 1;
  template <uint32_t SPAN>
  static __device__ __forceinline__ Extra extra(uint32_t k) {
    const uint32_t behind = (k - BITS<SPAN>) * 16;
    return k < BITS<SPAN> ? Extra{1, k * 16, 4, k * 16} : Extra{2, behind, FACTORS, behind};
  }
};

// 32 weights in 22 bytes, as planes: 16 bytes of nibbles, 32 fifth bits, d (f16). Value d * (q - 16).
template <>
struct Block<Q5_0> : FifthBits<2> {
  template <uint32_t SPAN>
  static __device__ __forceinline__ float dot(uint32_t quants, uint32_t extras, const Vector& v, uint32_t lane, uint32_t unit, uint32_t block) {
    const Numbers32 x(v, unit);
    const int sum = dot_fifth_bits(quants + lane * 16, shared_at<uint32_t>(extras + (4 * block & 15) + lane * 4), x);
    const float d = half_bits(shared_at<uint16_t>(extras + BITS<SPAN> * 16 + (2 * block & 15) + lane * 2));
    return d * (x.group.scale * static_cast<float>(sum) - 16.0f * x.group.sum);
  }
};

// 32 weights in 24 bytes, as planes: 16 bytes of nibbles, 32 fifth bits, d and m (f16). Value d * q + m.
template <>
struct Block<Q5_1> : FifthBits<4> {
  template <uint32_t SPAN>
  static __device__ __forceinline__ float dot(uint32_t quants, uint32_t extras, const Vector& v, uint32_t lane, uint32_t unit, uint32_t block) {
    const Numbers32 x(v, unit);
    const uint32_t off = (4 * block & 15) + lane * 4;
    const int sum = dot_fifth_bits(quants + lane * 16, shared_at<uint32_t>(extras + off), x);
    const uint32_t factors = shared_at<uint32_t>(extras + BITS<SPAN> * 16 + off);
    return half_bits(factors) * (x.group.scale * static_cast<float>(sum)) + half_bits(factors >> 16) * x.group.sum;
  }
};

// Numbers are multiplied as they are.
struct Plain {
  static constexpr bool VALUES = true;
  static constexpr uint32_t CHUNKS = 1, STRIDE = 16, START = 0;
  template <uint32_t SPAN>
  static constexpr uint32_t EXTRAS = 0;
  template <uint32_t SPAN>
  static __device__ __forceinline__ Extra extra(uint32_t) {
    return Extra{0, 0, 0, ~0u};
  }
};

__device__ __forceinline__ float dot4(float4 a, float4 b) { return a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w; }

template <>
struct Block<F32> : Plain {
  template <uint32_t SPAN>
  static __device__ __forceinline__ float dot(uint32_t quants, uint32_t, const Vector& v, uint32_t lane, uint32_t unit, uint32_t) {
    return dot4(shared_at<float4>(quants + lane * 16), shared_at<float4>(v.place + unit * 16));
  }
};

// 8 numbers of 16 bits; `pair` makes two of a word.
template <class Pair>
__device__ __forceinline__ float dot_halves(uint32_t quants, const Vector& v, uint32_t lane, uint32_t unit, Pair pair) {
  const uint4 words = shared_at<uint4>(quants + lane * 16);
  const float2 a = pair(words.x), b = pair(words.y), c = pair(words.z), d = pair(words.w);
  return dot4(make_float4(a.x, a.y, b.x, b.y), shared_at<float4>(v.place + unit * 32)) +
         dot4(make_float4(c.x, c.y, d.x, d.y), shared_at<float4>(v.place + unit * 32 + 16));
}

template <>
struct Block<F16> : Plain {
  template <uint32_t SPAN>
  static __device__ __forceinline__ float dot(uint32_t quants, uint32_t, const Vector& v, uint32_t lane, uint32_t unit, uint32_t) {
    return dot_halves(quants, v, lane, unit, [](uint32_t w) { return make_float2(half_bits(w), half_bits(w >> 16)); });
  }
};

template <>
struct Block<BF16> : Plain {
  template <uint32_t SPAN>
  static __device__ __forceinline__ float dot(uint32_t quants, uint32_t, const Vector& v, uint32_t lane, uint32_t unit, uint32_t) {
    return dot_halves(quants, v, lane, unit,
                      [](uint32_t w) { return make_float2(__uint_as_float(w << 16), __uint_as_float(w & 0xffff0000u)); });
  }
};

// Types that a kernel has code for: what is not there takes no place in the instruction cache.
template <uint32_t... TYPE>
struct Types {
  // Calls f with the block of a type that is known at run time; all lanes of a warp agree on it.
  template <class F>
  static __device__ __forceinline__ void with_block(uint32_t type, F f) {
    // Not more than one of them is called.
    (void)((type == TYPE && (f(Block<TYPE>{}), true)) || ...);
  }
};
using AllTypes = Types<Q4_K, Q6_K, Q5_K, F32, Q8_0, Q5_0, Q5_1, F16, BF16>;
