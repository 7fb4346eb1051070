// Division by a number that is known before the loop.
#pragma once
#include <cstdint>

// Quotients of numbers below 2^16 by numbers below 2^16, by multiplication.
struct Divisor {
  uint32_t inverse;  // 0: of 1
  __device__ __forceinline__ explicit Divisor(uint32_t by) : inverse(by == 1 ? 0 : 0xffffffffu / by + 1) {}
  __device__ __forceinline__ uint32_t divide(uint32_t n) const { return inverse == 0 ? n : __umulhi(n, inverse); }
};
