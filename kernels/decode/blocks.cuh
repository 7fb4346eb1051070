// The types of quantised rows: how a lane loads its unit of a step, and multiplies it with the vector's runs.
#pragma once
#include "matrix.cuh"

// What a lane loads of a unit.
struct Unit {
  uint4 quants;
  uint32_t more[3];
};

// A run of a vector.
struct Run {
  int4 low, high;
  RunScale scale;
};

__device__ __forceinline__ int dot_run(uint4 weights, const Run& x) {
  int sum = 0;
  sum = __dp2a_lo(x.low.x, static_cast<int>(weights.x), sum);
  sum = __dp2a_hi(x.low.y, static_cast<int>(weights.x), sum);
  sum = __dp2a_lo(x.low.z, static_cast<int>(weights.y), sum);
  sum = __dp2a_hi(x.low.w, static_cast<int>(weights.y), sum);
  sum = __dp2a_lo(x.high.x, static_cast<int>(weights.z), sum);
  sum = __dp2a_hi(x.high.y, static_cast<int>(weights.z), sum);
  sum = __dp2a_lo(x.high.z, static_cast<int>(weights.w), sum);
  sum = __dp2a_hi(x.high.w, static_cast<int>(weights.w), sum);
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
  return make_uint4(nibbles.x | (bits << 4 & 0x10101010u), nibbles.y | (bits << 3 & 0x10101010u), nibbles.z | (bits << 2 & 0x10101010u),
                    nibbles.w | (bits << 1 & 0x10101010u));
}

__device__ __forceinline__ uint32_t lane_of_warp() { return threadIdx.x % 32; }

// Word `i` of the 8 lanes that share a block.
__device__ __forceinline__ uint32_t of_block(uint32_t word, uint32_t i) { return __shfl_sync(~0u, word, (lane_of_warp() & 24) + i); }

// How a type is loaded and multiplied. `load` takes the number of the lane's unit in the matrix at step 0 and how many
// steps further on; `Parts` is what `decode` makes of a unit once for all its runs; `dot` is the product with run `r` of
// the vector, which `run` tells the place of at step 0, in runs. All lanes of a warp call them together.
template <uint32_t TYPE>
struct Block;

// 256 weights in 144 bytes: d, dmin (f16), 8 scales and 8 minima of 6 bits in 12 bytes, 128 bytes of nibbles.
template <>
struct Block<Q4_K> {
  static constexpr uint32_t WEIGHTS = 32;
  static constexpr bool VALUES = false;
  struct Parts {
    float d, dmin;
    uint32_t scale, minimum;  // of both runs, in the low bytes
  };
  static __device__ __forceinline__ Unit load(const Planes& m, uint32_t unit, uint32_t step) {
    const uint8_t* super = m.at[0] + (unit / 8) * uint64_t{144} + step * 576;
    Unit u;
    u.quants = load_words(super + 16 + lane_of_warp() % 8 * 16);
    u.more[0] = load_read_only<uint32_t>(super + lane_of_warp() % 4 * 4);
    return u;
  }
  // `word` is word lane % 4 of d, dmin and the 12 bytes of scales and minima.
  static __device__ __forceinline__ Parts header(uint32_t word) {
    const uint32_t j = lane_of_warp() % 8 / 2, shift = (j & 1) * 16;
    const uint32_t factors = of_block(word, 0), first = of_block(word, 1) >> shift, second = of_block(word, 2) >> shift,
                   third = of_block(word, 3) >> shift;
    const bool upper = j >= 2;
    Parts p;
    p.d = half_bits(factors);
    p.dmin = half_bits(factors >> 16);
    p.scale = upper ? (third & 0x0f0f) | (first & 0xc0c0) >> 2 : first & 0x3f3f;
    p.minimum = upper ? (third >> 4 & 0x0f0f) | (second & 0xc0c0) >> 2 : second & 0x3f3f;
    return p;
  }
  static __device__ __forceinline__ Parts decode(const Unit& u) { return header(u.more[0]); }
  static __device__ __forceinline__ uint32_t run(uint32_t r) {
    const uint32_t lane = lane_of_warp();
    return lane / 8 * 16 + lane % 8 / 2 * 4 + lane % 2 + 2 * r;
  }
  static __device__ __forceinline__ float scaled(const Parts& p, uint4 weights, uint32_t r, const Run& x) {
    const float scale = static_cast<float>(p.scale >> 8 * r & 0xff), minimum = static_cast<float>(p.minimum >> 8 * r & 0xff);
    return p.d * scale * (x.scale.scale * static_cast<float>(dot_run(weights, x))) - p.dmin * minimum * x.scale.sum;
  }
  static __device__ __forceinline__ float dot(const Unit& u, const Parts& p, uint32_t r, const Run& x) {
    return scaled(p, r ? high_nibbles(u.quants) : low_nibbles(u.quants), r, x);
  }
};

// 256 weights in 176 bytes, as planes: 128 bytes of nibbles, a word of fifth bits for each unit, the header of Q4_K.
template <>
struct Block<Q5_K> {
  static constexpr uint32_t WEIGHTS = 32;
  static constexpr bool VALUES = false;
  using Parts = Block<Q4_K>::Parts;
  static __device__ __forceinline__ Unit load(const Planes& m, uint32_t unit, uint32_t step) {
    Unit u;
    u.quants = load_words(m.at[0] + unit * uint64_t{16} + step * 512);
    u.more[0] = load_read_only<uint32_t>(m.at[2] + (unit / 8) * uint64_t{16} + lane_of_warp() % 4 * 4 + step * 64);
    u.more[1] = load_read_only<uint32_t>(m.at[1] + unit * uint64_t{4} + step * 128);
    return u;
  }
  static __device__ __forceinline__ Parts decode(const Unit& u) { return Block<Q4_K>::header(u.more[0]); }
  static __device__ __forceinline__ uint32_t run(uint32_t r) { return Block<Q4_K>::run(r); }
  static __device__ __forceinline__ float dot(const Unit& u, const Parts& p, uint32_t r, const Run& x) {
    const uint4 nibbles = r ? high_nibbles(u.quants) : low_nibbles(u.quants);
    return Block<Q4_K>::scaled(p, with_fifth_bits(nibbles, r ? u.more[1] >> 4 : u.more[1]), r, x);
  }
};

// 256 weights in 210 bytes, as planes: 128 bytes of nibbles, two words of upper bit pairs and two scales (int8) for each
// unit, d (f16). Value d * scale * (q - 32).
template <>
struct Block<Q6_K> {
  static constexpr uint32_t WEIGHTS = 32;
  static constexpr bool VALUES = false;
  struct Parts {
    float d;
  };
  static __device__ __forceinline__ Unit load(const Planes& m, uint32_t unit, uint32_t step) {
    Unit u;
    u.quants = load_words(m.at[0] + unit * uint64_t{16} + step * 512);
    const uint2 bits = load_read_only<uint2>(m.at[1] + unit * uint64_t{8} + step * 256);
    u.more[0] = bits.x;
    u.more[1] = bits.y;
    const uint32_t scales = load_read_only<uint16_t>(m.at[2] + unit * uint64_t{2} + step * 64);
    u.more[2] = scales | static_cast<uint32_t>(load_read_only<uint16_t>(m.at[3] + (unit / 8) * uint64_t{2} + step * 8)) << 16;
    return u;
  }
  static __device__ __forceinline__ uint4 with_bit_pairs(uint4 nibbles, uint32_t bits) {
    return make_uint4(nibbles.x | (bits << 4 & 0x30303030u), nibbles.y | (bits << 2 & 0x30303030u), nibbles.z | (bits & 0x30303030u),
                      nibbles.w | (bits >> 2 & 0x30303030u));
  }
  static __device__ __forceinline__ Parts decode(const Unit& u) { return Parts{half_bits(u.more[2] >> 16)}; }
  static __device__ __forceinline__ uint32_t run(uint32_t r) {
    const uint32_t lane = lane_of_warp();
    return lane / 8 * 16 + lane % 8 / 4 * 8 + lane % 4 + 4 * r;
  }
  static __device__ __forceinline__ float dot(const Unit& u, const Parts& p, uint32_t r, const Run& x) {
    const float scale = static_cast<int8_t>(u.more[2] >> 8 * r);
    const int sum = dot_run(with_bit_pairs(r ? high_nibbles(u.quants) : low_nibbles(u.quants), u.more[r]), x);
    return p.d * scale * (x.scale.scale * static_cast<float>(sum) - 32.0f * x.scale.sum);
  }
};

// 16 of 32 weights in 34 bytes, as planes: int8 values, d (f16).
template <>
struct Block<Q8_0> {
  static constexpr uint32_t WEIGHTS = 16;
  static constexpr bool VALUES = false;
  struct Parts {};
  static __device__ __forceinline__ Unit load(const Planes& m, uint32_t unit, uint32_t step) {
    Unit u;
    u.quants = load_words(m.at[0] + unit * uint64_t{16} + step * 512);
    u.more[0] = load_read_only<uint16_t>(m.at[1] + (unit / 2) * uint64_t{2} + step * 32);
    return u;
  }
  static __device__ __forceinline__ Parts decode(const Unit&) { return Parts{}; }
  static __device__ __forceinline__ uint32_t run(uint32_t) { return lane_of_warp(); }
  static __device__ __forceinline__ float dot(const Unit& u, const Parts&, uint32_t, const Run& x) {
    return half_bits(u.more[0]) * (x.scale.scale * static_cast<float>(dot_run(u.quants, x)));
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
  static constexpr bool VALUES = false;
  struct Parts {};
  static __device__ __forceinline__ Unit load(const Planes& m, uint32_t unit, uint32_t step) {
    Unit u;
    u.quants = load_words(m.at[0] + unit * uint64_t{16} + step * 512);
    u.more[0] = load_read_only<uint32_t>(m.at[1] + unit * uint64_t{4} + step * 128);
    u.more[1] = load_read_only<uint16_t>(m.at[2] + unit * uint64_t{2} + step * 64);
    return u;
  }
  static __device__ __forceinline__ Parts decode(const Unit&) { return Parts{}; }
  static __device__ __forceinline__ uint32_t run(uint32_t r) { return lane_of_warp() * 2 + r; }
  static __device__ __forceinline__ int integers(const Unit& u, uint32_t r, const Run& x) {
    const uint4 nibbles = r ? high_nibbles(u.quants) : low_nibbles(u.quants);
    return dot_run(with_bits_in_order(nibbles, u.more[0] >> 16 * r), x);
  }
  static __device__ __forceinline__ float dot(const Unit& u, const Parts&, uint32_t r, const Run& x) {
    return half_bits(u.more[1]) * (x.scale.scale * static_cast<float>(integers(u, r, x)) - 16.0f * x.scale.sum);
  }
};

// 32 weights in 24 bytes, as planes: 16 bytes of nibbles, 32 fifth bits, d and m (f16). Value d * q + m.
template <>
struct Block<Q5_1> {
  static constexpr uint32_t WEIGHTS = 32;
  static constexpr bool VALUES = false;
  struct Parts {};
  static __device__ __forceinline__ Unit load(const Planes& m, uint32_t unit, uint32_t step) {
    Unit u;
    u.quants = load_words(m.at[0] + unit * uint64_t{16} + step * 512);
    u.more[0] = load_read_only<uint32_t>(m.at[1] + unit * uint64_t{4} + step * 128);
    u.more[1] = load_read_only<uint32_t>(m.at[2] + unit * uint64_t{4} + step * 128);
    return u;
  }
  static __device__ __forceinline__ Parts decode(const Unit&) { return Parts{}; }
  static __device__ __forceinline__ uint32_t run(uint32_t r) { return Block<Q5_0>::run(r); }
  static __device__ __forceinline__ float dot(const Unit& u, const Parts&, uint32_t r, const Run& x) {
    return half_bits(u.more[1]) * (x.scale.scale * static_cast<float>(Block<Q5_0>::integers(u, r, x))) +
           half_bits(u.more[1] >> 16) * x.scale.sum;
  }
};

// Numbers are multiplied as they are; `pair` makes two of a word.
struct Numbers {
  static constexpr bool VALUES = true;
  static __device__ __forceinline__ Unit load(const Planes& m, uint32_t unit, uint32_t step) {
    Unit u;
    u.quants = load_words(m.at[0] + unit * uint64_t{16} + step * 512);
    return u;
  }
};

template <>
struct Block<F32> : Numbers {
  static constexpr uint32_t WEIGHTS = 4;
  static __device__ __forceinline__ float dot(const Unit& u, const float (&x)[WEIGHTS]) {
    return __uint_as_float(u.quants.x) * x[0] + __uint_as_float(u.quants.y) * x[1] + __uint_as_float(u.quants.z) * x[2] +
           __uint_as_float(u.quants.w) * x[3];
  }
};

// 8 weights of 16 bits.
template <class Pair>
__device__ __forceinline__ float dot_halves(uint4 words, const float (&x)[8], Pair pair) {
  const float2 a = pair(words.x), b = pair(words.y), c = pair(words.z), d = pair(words.w);
  return a.x * x[0] + a.y * x[1] + b.x * x[2] + b.y * x[3] + c.x * x[4] + c.y * x[5] + d.x * x[6] + d.y * x[7];
}

template <>
struct Block<F16> : Numbers {
  static constexpr uint32_t WEIGHTS = 8;
  static __device__ __forceinline__ float dot(const Unit& u, const float (&x)[WEIGHTS]) {
    return dot_halves(u.quants, x, [](uint32_t w) { return make_float2(half_bits(w), half_bits(w >> 16)); });
  }
};

template <>
struct Block<BF16> : Numbers {
  static constexpr uint32_t WEIGHTS = 8;
  static __device__ __forceinline__ float dot(const Unit& u, const float (&x)[WEIGHTS]) {
    return dot_halves(u.quants, x, [](uint32_t w) { return make_float2(__uint_as_float(w << 16), __uint_as_float(w & 0xffff0000u)); });
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
