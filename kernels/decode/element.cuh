// One weight of a matrix: what an embedding is made of.
#pragma once
#include "matrix.cuh"

// Scale and minimum of sub-block `s` of a Q4_K or Q5_K header.
__device__ float2 sub_block(const uint8_t* header, uint32_t s) {
  const uint32_t words = load_read_only<uint32_t>(header);
  const uint8_t* packed = header + 4;
  uint32_t scale, minimum;
  if (s < 4) {
    scale = packed[s] & 63, minimum = packed[s + 4] & 63;
  } else {
    scale = (packed[s + 4] & 15) | packed[s - 4] >> 6 << 4, minimum = packed[s + 4] >> 4 | packed[s] >> 6 << 4;
  }
  return make_float2(half_bits(words) * static_cast<float>(scale), half_bits(words >> 16) * static_cast<float>(minimum));
}

// One weight.
__device__ float element(const Matrix& m, uint64_t row, uint32_t column) {
  const uint64_t i = row * m.columns + column;
  const uint32_t inner = column % 256, block = inner % 32;
  switch (m.type) {
    case F32: return load_read_only<float>(m.plane[0] + i * 4);
    case F16: return half_bits(load_read_only<uint16_t>(m.plane[0] + i * 2));
    case BF16: return __uint_as_float(static_cast<uint32_t>(load_read_only<uint16_t>(m.plane[0] + i * 2)) << 16);
    case Q8_0: return half_bits(load_read_only<uint16_t>(m.plane[1] + i / 32 * 2)) * static_cast<int8_t>(m.plane[0][i]);
    case Q5_0:
    case Q5_1: {
      const uint32_t nibble = m.plane[0][i / 32 * 16 + block % 16] >> block / 16 * 4 & 15;
      const uint32_t value = nibble | (load_read_only<uint32_t>(m.plane[1] + i / 32 * 4) >> block & 1) << 4;
      if (m.type == Q5_0) {
        return half_bits(load_read_only<uint16_t>(m.plane[2] + i / 32 * 2)) * (static_cast<float>(value) - 16.0f);
      }
      const uint32_t both = load_read_only<uint32_t>(m.plane[2] + i / 32 * 4);
      return half_bits(both) * static_cast<float>(value) + half_bits(both >> 16);
    }
    case Q4_K:
    case Q5_K: {
      const uint32_t sub = inner / 32;
      const bool fifth = m.type == Q5_K;
      const uint8_t* super = m.plane[0] + i / 256 * (fifth ? 176 : 144);
      const float2 scales = sub_block(super, sub);
      uint32_t value = super[(fifth ? 48 : 16) + sub / 2 * 32 + block] >> sub % 2 * 4 & 15;
      if (fifth) value |= (super[16 + block] >> sub & 1) << 4;
      return scales.x * static_cast<float>(value) - scales.y;
    }
    default: {
      const uint32_t half = inner / 128, quarter = inner % 128 / 32;
      const uint32_t nibble = m.plane[0][i / 256 * 128 + half * 64 + quarter % 2 * 32 + block] >> quarter / 2 * 4 & 15;
      const uint32_t upper = m.plane[1][i / 256 * 64 + half * 32 + block] >> quarter * 2 & 3;
      const float scale = half_bits(load_read_only<uint16_t>(m.plane[3] + i / 256 * 2)) *
                          static_cast<int8_t>(m.plane[2][i / 256 * 16 + inner / 16]);
      return scale * (static_cast<float>(nibble | upper << 4) - 32.0f);
    }
  }
}
