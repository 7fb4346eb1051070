// Rows of a matrix times a vector in shared memory: a warp takes a few rows at a time, a lane a unit of each.
// ROWS * DEPTH units of a lane are in flight before the first is used; with 16 warps that keeps DRAM busy.
#pragma once
#include "matrix.cuh"
#include "ordering.cuh"
#include "vector.cuh"

// A row of a matrix; none if `matrix` is null.
struct RowOf {
  const Matrix* matrix;
  uint64_t row;
};

template <int ROWS, int DEPTH>
struct Batch {
  RowOf rows[ROWS];
  Unit units[ROWS][DEPTH];
  uint32_t count[ROWS];  // units of each row; rows of two types may differ
  uint32_t most;         // the larger count
  uint32_t base;         // first unit that is loaded

  __device__ __forceinline__ void load() {
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
#pragma unroll
      for (int d = 0; d < DEPTH; d++) {
        const uint32_t unit = base + threadIdx.x % 32 + 32 * d;
        if (unit < count[r]) units[r][d] = load_unit(*rows[r].matrix, rows[r].row, unit);
      }
    }
  }

  __device__ __forceinline__ void add_products(const Vector& v, float (&sums)[ROWS]) const {
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
#pragma unroll
      for (int d = 0; d < DEPTH; d++) {
        const uint32_t unit = base + threadIdx.x % 32 + 32 * d;
        if (unit < count[r]) sums[r] += dot_unit(*rows[r].matrix, units[r][d], unit, v);
      }
    }
  }

  // The products of the rows whose first units are loaded, the same in all lanes.
  __device__ __forceinline__ void finish(const Vector& v, float (&sums)[ROWS]) {
#pragma unroll
    for (int r = 0; r < ROWS; r++) sums[r] = 0;
    while (true) {
      add_products(v, sums);
      base += 32 * DEPTH;
      if (base >= most) break;
      load();
    }
#pragma unroll
    for (int r = 0; r < ROWS; r++) sums[r] = warp_sum(sums[r]);
  }

  // Begins with rows; loads their first units.
  __device__ __forceinline__ void begin() {
    base = 0;
    most = 0;
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
      count[r] = rows[r].matrix ? units_of(*rows[r].matrix) : 0;
      most = max(most, count[r]);
    }
    load();
  }
};

__device__ __forceinline__ uint32_t warp_of_grid() { return blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32; }
__device__ __forceinline__ uint32_t warps_of_grid() { return gridDim.x * (blockDim.x / 32); }
