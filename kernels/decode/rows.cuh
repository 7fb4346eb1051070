// Rows of matrices times a vector in shared memory: a warp takes one or two rows at a time, a lane a unit of each step.
// ROWS * DEPTH units of a lane are in flight before the first is used; with 16 warps that keeps DRAM busy.
#pragma once
#include "matrix.cuh"
#include "ordering.cuh"
#include "vector.cuh"

__device__ __forceinline__ uint32_t warps_of_block() { return blockDim.x / 32; }
__device__ __forceinline__ uint32_t warps_of_grid() { return gridDim.x * warps_of_block(); }

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
