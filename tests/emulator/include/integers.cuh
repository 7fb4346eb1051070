// Stands in for kernels/include/integers.cuh.
#pragma once
#include "../language.hpp"

inline int dot_low_bytes(int pair, uint32_t bytes, int sum) {
  return sum + static_cast<int16_t>(pair) * static_cast<uint8_t>(bytes) +
         static_cast<int16_t>(pair >> 16) * static_cast<uint8_t>(bytes >> 8);
}
inline int dot_high_bytes(int pair, uint32_t bytes, int sum) { return dot_low_bytes(pair, bytes >> 16, sum); }
