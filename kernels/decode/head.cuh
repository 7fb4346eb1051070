// Logits and the choice of the largest: packed so that the larger 64-bit number is the larger logit, or the lower id.
#pragma once
#include <cstdint>

// What stands for "a logit is not a number": larger than every other choice.
constexpr unsigned long long NOT_A_NUMBER = ~0ull;
constexpr uint32_t NO_ID = ~0u;

// Unsigned numbers in the order of the floats.
__device__ __forceinline__ uint32_t ordered(float x) {
  const uint32_t bits = __float_as_uint(x);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

__device__ __forceinline__ unsigned long long packed_logit(float logit, uint32_t id) {
  if (isnan(logit)) return NOT_A_NUMBER;
  // -0 and 0 are equal.
  return static_cast<unsigned long long>(ordered(logit == 0.0f ? 0.0f : logit)) << 32 | (NO_ID - id);
}

// The id of a choice; NO_ID where a logit is not a number.
__device__ __forceinline__ uint32_t chosen_id(unsigned long long best) {
  return best == NOT_A_NUMBER ? NO_ID : NO_ID - static_cast<uint32_t>(best);
}
