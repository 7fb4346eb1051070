// Products of int16 with bytes of 0 to 255, which the language has no name for.
#pragma once
#include <cstdint>

// The two int16 of `pair` times the lower (upper) two bytes of `bytes`, added to `sum`.
__device__ __forceinline__ int dot_low_bytes(int pair, uint32_t bytes, int sum) {
  asm("dp2a.lo.s32.u32 %0,%1,%2,%0;" : "+r"(sum) : "r"(pair), "r"(bytes));
  return sum;
}
__device__ __forceinline__ int dot_high_bytes(int pair, uint32_t bytes, int sum) {
  asm("dp2a.hi.s32.u32 %0,%1,%2,%0;" : "+r"(sum) : "r"(pair), "r"(bytes));
  return sum;
}
