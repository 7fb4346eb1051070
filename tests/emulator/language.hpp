// CUDA's language as kernels/decode uses it, on the threads of threads.hpp. Included in front of every kernel file.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "threads.hpp"

#ifndef __global__
#define __global__
#endif
#define __device__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(bytes) __attribute__((aligned(bytes)))
// Not in templates: the compiler leaves their variables out of the section, and a parked block would not keep them.
#define __shared__ static __attribute__((section("emulated_shared")))

#define threadIdx (::emulator::thread_index)
#define blockIdx (::emulator::block_index)
#define blockDim (::emulator::block_size)
#define gridDim (::emulator::grid_size)

#define EMULATED_PAIR(type, name)         \
  struct alignas(2 * sizeof(type)) name { \
    type x, y;                            \
  };                                      \
  inline name make_##name(type x, type y) { return name{x, y}; }
#define EMULATED_QUAD(type, name)         \
  struct alignas(4 * sizeof(type)) name { \
    type x, y, z, w;                      \
  };                                      \
  inline name make_##name(type x, type y, type z, type w) { return name{x, y, z, w}; }
EMULATED_PAIR(float, float2)
EMULATED_PAIR(int, int2)
EMULATED_PAIR(uint32_t, uint2)
EMULATED_QUAD(float, float4)
EMULATED_QUAD(int, int4)
EMULATED_QUAD(uint32_t, uint4)
#undef EMULATED_PAIR
#undef EMULATED_QUAD

namespace emulator {

template <class To, class From>
inline To bits_as(From from) {
  static_assert(sizeof(To) == sizeof(From), "the same bits");
  To to;
  memcpy(&to, &from, sizeof to);
  return to;
}

template <class T>
inline T load(const T* p) {
  check_access(p, sizeof(T), "load");
  return *p;
}

// Each lane gets the word of the lane that it names.
inline void join_shuffle(Deposit* lanes, uint32_t mask) {
  for (uint32_t lane = 0; lane < 32; lane++) {
    if (!(mask >> lane & 1)) continue;
    const uint32_t from = lanes[lane].in[0];
    if (!(mask >> from & 1))
      fail(Outcome::BAD_PROGRAM, "is in a shuffle where lane %u asks lane %u, which is not among %08x", lane, from,
           mask);
    lanes[lane].out[0] = lanes[from].in[1];
  }
}

template <class T>
inline T shuffle(uint32_t mask, T x, uint32_t from) {
  static_assert(sizeof(T) == 4, "shuffles of one word");
  Deposit& own = *own_deposit;
  own.in[0] = from;
  own.in[1] = bits_as<uint32_t>(x);
  meet(mask, Meeting::SHUFFLE, join_shuffle);
  return bits_as<T>(own.out[0]);
}

template <class Choose>
inline void join_reduction(Deposit* lanes, uint32_t mask, Choose choose) {
  uint32_t result = lanes[__builtin_ctz(mask)].in[0];
  for (uint32_t lane = 0; lane < 32; lane++) {
    if (mask >> lane & 1) result = choose(result, lanes[lane].in[0]);
  }
  for (uint32_t lane = 0; lane < 32; lane++) {
    if (mask >> lane & 1) lanes[lane].out[0] = result;
  }
}

inline uint32_t reduce(uint32_t mask, uint32_t x, Meeting what, Join join) {
  Deposit& own = *own_deposit;
  own.in[0] = x;
  meet(mask, what, join);
  return own.out[0];
}

}  // namespace emulator

inline void __syncthreads() { emulator::wait_for_block(); }
inline void __syncwarp(uint32_t mask = ~0u) { emulator::meet(mask, emulator::Meeting::SYNC, nullptr); }

template <class T>
inline T __shfl_sync(uint32_t mask, T x, int lane) {
  return emulator::shuffle(mask, x, static_cast<uint32_t>(lane) % 32);
}
template <class T>
inline T __shfl_xor_sync(uint32_t mask, T x, int other) {
  return emulator::shuffle(mask, x, (threadIdx.x % 32) ^ static_cast<uint32_t>(other));
}
inline uint32_t __reduce_max_sync(uint32_t mask, uint32_t x) {
  return emulator::reduce(mask, x, emulator::Meeting::REDUCE_MAX, [](emulator::Deposit* lanes, uint32_t among) {
    emulator::join_reduction(lanes, among, [](uint32_t a, uint32_t b) { return a > b ? a : b; });
  });
}
inline uint32_t __reduce_min_sync(uint32_t mask, uint32_t x) {
  return emulator::reduce(mask, x, emulator::Meeting::REDUCE_MIN, [](emulator::Deposit* lanes, uint32_t among) {
    emulator::join_reduction(lanes, among, [](uint32_t a, uint32_t b) { return a < b ? a : b; });
  });
}

// Bit l says whether lane l gave something true.
inline uint32_t __ballot_sync(uint32_t mask, int x) {
  const uint32_t own = x ? 1u << threadIdx.x % 32 : 0;
  return emulator::reduce(mask, own, emulator::Meeting::BALLOT, [](emulator::Deposit* lanes, uint32_t among) {
    emulator::join_reduction(lanes, among, [](uint32_t a, uint32_t b) { return a | b; });
  });
}
inline uint32_t __umulhi(uint32_t a, uint32_t b) { return static_cast<uint64_t>(a) * b >> 32; }
inline int __popc(uint32_t x) { return __builtin_popcount(x); }

template <class T>
inline T __ldg(const T* p) {
  return emulator::load(p);
}
template <class T>
inline T __ldcg(const T* p) {
  return emulator::load(p);
}

inline unsigned long long atomicMax(unsigned long long* p, unsigned long long x) {
  emulator::check_access(p, sizeof *p, "maximum");
  const unsigned long long old = *p;
  *p = std::max(old, x);
  return old;
}

// Blocks that run beside others see every store at once.
inline void __threadfence() {}

// Counts up to `most`, then from 0 again.
inline uint32_t atomicInc(uint32_t* p, uint32_t most) {
  emulator::check_access(p, sizeof *p, "count");
  const uint32_t old = *p;
  *p = old >= most ? 0 : old + 1;
  return old;
}

// Products of two int16 of `a` with the lower (upper) two int8 of `b`.
inline int __dp2a_lo(int a, int b, int sum) {
  return sum + static_cast<int16_t>(a) * static_cast<int8_t>(b) +
         static_cast<int16_t>(a >> 16) * static_cast<int8_t>(b >> 8);
}
inline int __dp2a_hi(int a, int b, int sum) { return __dp2a_lo(a, b >> 16, sum); }

inline uint32_t __byte_perm(uint32_t a, uint32_t b, uint32_t selector) {
  const uint64_t bytes = static_cast<uint64_t>(b) << 32 | a;
  uint32_t result = 0;
  for (int i = 0; i < 4; i++) result |= static_cast<uint32_t>(bytes >> (selector >> 4 * i & 7) * 8 & 0xff) << 8 * i;
  return result;
}

inline float __uint_as_float(uint32_t bits) { return emulator::bits_as<float>(bits); }
inline uint32_t __float_as_uint(float x) { return emulator::bits_as<uint32_t>(x); }
// To the nearest, of two the even one; what no int can hold becomes the nearest int, what is no number 0.
inline int __float2int_rn(float x) {
  if (!(x > -2147483648.0f)) return x != x ? 0 : INT32_MIN;
  return x >= 2147483648.0f ? INT32_MAX : static_cast<int>(std::nearbyint(x));
}

inline uint32_t __funnelshift_l(uint32_t low, uint32_t high, uint32_t shift) {
  return static_cast<uint32_t>(((static_cast<uint64_t>(high) << 32 | low) << shift % 32) >> 32);
}

inline float __expf(float x) { return std::exp(x); }
inline float __fdividef(float x, float y) { return x / y; }
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline void sincospif(float x, float* sine, float* cosine) {
  *sine = static_cast<float>(std::sin(M_PI * static_cast<double>(x)));
  *cosine = static_cast<float>(std::cos(M_PI * static_cast<double>(x)));
}
using std::isnan;
template <class T>
inline T max(T a, T b) {
  return a > b ? a : b;
}
template <class T>
inline T min(T a, T b) {
  return a < b ? a : b;
}
