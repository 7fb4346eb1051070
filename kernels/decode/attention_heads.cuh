// The heads of one token before attention: norm, rotation, rounding. A warp takes a head at a time; lane l holds
// elements 64j + 2l and 64j + 2l + 1.
#pragma once
#include "attention.cuh"
#include "tile.cuh"

namespace attention {

// Cosine and sine of each pair's angle. Radians are reduced to turns in f64, so a large position loses nothing.
__device__ __forceinline__ void fill_turns(float2* turns, const double* frequency, uint32_t pairs, uint32_t position) {
  constexpr double TURNS_PER_RADIAN = 0.15915494309189535;
  for (uint32_t pair = threadIdx.x; pair < pairs; pair += blockDim.x) {
    const double angle = static_cast<double>(position) * frequency[pair] * TURNS_PER_RADIAN;
    float sine, cosine;
    sincospif(2.0f * static_cast<float>(angle - rint(angle)), &sine, &cosine);
    turns[pair] = make_float2(cosine, sine);
  }
}

// The rotation of pairs (i, i + rotary / 2); an element behind the rotated ones is its own partner.
struct Rotation {
  const float2* turns;
  uint32_t rotary;

  // One element of `row` turned; `own` is the element. Free of branches, so loads of several elements overlap.
  __device__ __forceinline__ float apply(const float* row, uint32_t element, float own) const {
    const uint32_t half = rotary / 2;
    const bool first = element < half, turns_at_all = element < rotary;
    const uint32_t partner = first ? element + half : turns_at_all ? element - half : element;
    const float2 turn = turns[first ? element : turns_at_all ? partner : 0];
    const float turned = own * turn.x + row[partner] * (first ? -turn.y : turn.y);
    return turns_at_all ? turned : own;
  }
};

template <uint32_t D>
struct Head {
  static constexpr uint32_t PAIRS = D / 64;
  float2 x[PAIRS];
  float2 weight[PAIRS];

  // Weights are static: they may be loaded before the wait. Null: none.
  __device__ __forceinline__ void load_weight(const float* from) {
#pragma unroll
    for (uint32_t j = 0; j < PAIRS; j++) {
      weight[j] = from ? __ldg(reinterpret_cast<const float2*>(from) + 32 * j + threadIdx.x % 32) : make_float2(1, 1);
    }
  }

  __device__ __forceinline__ void load(const float* from) {
#pragma unroll
    for (uint32_t j = 0; j < PAIRS; j++) {
      x[j] = __ldcg(reinterpret_cast<const float2*>(from) + 32 * j + threadIdx.x % 32);
    }
  }

  // Divides by the root mean square, then multiplies by the weight.
  __device__ __forceinline__ void normalise(float epsilon) {
    float square = 0;
#pragma unroll
    for (uint32_t j = 0; j < PAIRS; j++) square += x[j].x * x[j].x + x[j].y * x[j].y;
#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2) square += __shfl_xor_sync(~0u, square, offset);
    const float factor = rsqrtf(square / static_cast<float>(D) + epsilon);
#pragma unroll
    for (uint32_t j = 0; j < PAIRS; j++) {
      x[j] = make_float2(x[j].x * factor * weight[j].x, x[j].y * factor * weight[j].y);
    }
  }

  // `row` is work space [D] of this warp; it is free again afterwards.
  __device__ __forceinline__ void rotate(float* row, const Rotation& rotation) {
#pragma unroll
    for (uint32_t j = 0; j < PAIRS; j++) reinterpret_cast<float2*>(row)[32 * j + threadIdx.x % 32] = x[j];
    __syncwarp();
#pragma unroll
    for (uint32_t j = 0; j < PAIRS; j++) {
      const uint32_t element = 64 * j + 2 * (threadIdx.x % 32);
      x[j] = make_float2(rotation.apply(row, element, x[j].x), rotation.apply(row, element + 1, x[j].y));
    }
    __syncwarp();
  }
};

}  // namespace attention
