// Rows of matrices times a vector in shared memory: a warp takes one or two rows at a time, a lane a unit of each step.
// ROWS * DEPTH units of a lane are in flight before the first is used; with 16 warps that keeps DRAM busy.
#pragma once
#include "blocks.cuh"
#include "ordering.cuh"
#include "vector.cuh"

__device__ __forceinline__ uint32_t warps_of_block() { return blockDim.x / 32; }
__device__ __forceinline__ uint32_t warps_of_grid() { return gridDim.x * warps_of_block(); }

// Makes step `step` of a vector its first.
template <class B>
__device__ __forceinline__ void advance(Vector& v, uint32_t step) {
  v.values += step * (B::WEIGHTS * 128);
  v.integers += step * (B::WEIGHTS * 64);
  v.scales += step * (B::WEIGHTS * 16);
}

// Adds the products of a step of ROWS rows with step `step` of the vector.
template <class B, int ROWS>
__device__ __forceinline__ void add_products(const Unit (&units)[ROWS], const Vector& v, uint32_t step, float (&sums)[ROWS]) {
  if constexpr (B::VALUES) {
    float x[B::WEIGHTS];
    const uint32_t at = v.values + (lane_of_warp() + 32 * step) * B::WEIGHTS * 4;
#pragma unroll
    for (uint32_t i = 0; i < B::WEIGHTS; i += 4) {
      const float4 four = shared_at<float4>(at + 4 * i);
      x[i] = four.x, x[i + 1] = four.y, x[i + 2] = four.z, x[i + 3] = four.w;
    }
#pragma unroll
    for (int r = 0; r < ROWS; r++) sums[r] += B::dot(units[r], x);
  } else {
    typename B::Parts parts[ROWS];
#pragma unroll
    for (int r = 0; r < ROWS; r++) parts[r] = B::decode(units[r]);
#pragma unroll
    for (uint32_t i = 0; i < B::WEIGHTS / 16; i++) {
      // A step has whole lines of the swizzle's pattern.
      const uint32_t run = B::run(i), chunk = swizzled(2 * run);
      const uint32_t chunks = v.integers + step * (B::WEIGHTS * 64), scales = v.scales + step * (B::WEIGHTS * 16);
      Run x;
      x.low = shared_at<int4>(chunks + chunk * 16);
      x.high = shared_at<int4>(chunks + (chunk ^ 1) * 16);
      x.scale = shared_at<RunScale>(scales + run * 8);
#pragma unroll
      for (int r = 0; r < ROWS; r++) sums[r] += B::dot(units[r], parts[r], i, x);
    }
  }
}

// Rows of one type with as many units each: row r is in the planes `planes(r)`, from unit `first[r]` of its matrix on.
template <int ROWS, int DEPTH>
struct Batch {
  Unit units[DEPTH][ROWS];

  // The steps from `step` on; what lies behind the last unit counts as zero.
  template <class B, class PlanesOf>
  __device__ __forceinline__ void load(PlanesOf planes, const uint32_t (&first)[ROWS], uint32_t step, uint32_t count) {
#pragma unroll
    for (int d = 0; d < DEPTH; d++) {
      const uint32_t unit = (step + d) * 32 + lane_of_warp();
#pragma unroll
      for (int r = 0; r < ROWS; r++) {
        units[d][r] = Unit{};
        if (unit < count) units[d][r] = B::load(planes(r), first[r] + step * 32 + lane_of_warp(), d);
      }
    }
  }

  // Adds the products of the steps that are loaded, of a row of `count` units.
  template <class B>
  __device__ __forceinline__ void add(const Vector& v, uint32_t step, uint32_t count, float (&sums)[ROWS]) const {
#pragma unroll
    for (int d = 0; d < DEPTH; d++) {
      if ((step + d) * 32 < count) add_products<B>(units[d], v, step + d, sums);
    }
  }

  template <class PlanesOf>
  __device__ __forceinline__ void begin(uint32_t type, PlanesOf planes, const uint32_t (&first)[ROWS], uint32_t count) {
    with_block(type, [&](auto block) { load<decltype(block)>(planes, first, 0, count); });
  }

  // The products of rows whose first steps are loaded with step `from` of the vector and those behind, the same in all
  // lanes.
  template <class PlanesOf>
  __device__ __forceinline__ void finish(uint32_t type, PlanesOf planes, const uint32_t (&first)[ROWS], uint32_t count,
                                         const Vector& v, uint32_t from, float (&sums)[ROWS]) {
#pragma unroll
    for (int r = 0; r < ROWS; r++) sums[r] = 0;
    with_block(type, [&](auto block) {
      using B = decltype(block);
      Vector rest = v;
      advance<B>(rest, from);
      add<B>(rest, 0, count, sums);
      for (uint32_t step = DEPTH; step * 32 < count; step += DEPTH) {
        load<B>(planes, first, step, count);
        add<B>(rest, step, count, sums);
      }
    });
#pragma unroll
    for (int r = 0; r < ROWS; r++) sums[r] = warp_sum(sums[r]);
  }
};

// The product of row `row` of a matrix, the same in all lanes; nothing is loaded in advance.
static __device__ __noinline__ float row_product(const Matrix& m, uint32_t row, const Vector& v) {
  const uint32_t units = units_of(m);
  const uint32_t first[1] = {row * units};
  auto planes = [&](int) { return planes_of(m); };
  Batch<1, 2> batch;
  batch.begin(m.type, planes, first, units);
  float sums[1];
  batch.finish(m.type, planes, first, units, v, 0, sums);
  return sums[0];
}
