// Inputs that host and device can both compute: 64-bit word `index` of the stream `seed` (splitmix64), and the pattern of
// written buffers. The same functions stand in src/device/generator.rs.
#pragma once
#include <cstdint>

__device__ __forceinline__ uint64_t generated_word(uint64_t seed, uint64_t index) {
  uint64_t z = seed + (index + 1) * 0x9E3779B97F4A7C15ull;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

// Cheap enough for a store-bound loop; every word differs from its neighbours and from every other salt's.
__device__ __forceinline__ uint64_t written_word(uint64_t salt, uint64_t index) {
  return salt + index * 0x9E3779B97F4A7C15ull;
}
