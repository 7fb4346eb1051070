// Cost of one dependent edge between two tiny stages: launch, programmatic dependent launch, grid barrier, grid sync.
// A stage: thread t of block b writes (value of thread t of block (b + 37) mod gridDim) + 1. Two buffers of
// gridDim * blockDim words alternate; after n stages every word of the last buffer is n more than at the start, and a stage
// that overtakes another leaves a wrong word. The persistent kernels need all blocks resident (cooperative launch).

#include <cooperative_groups.h>

#include "ordering.cuh"

__device__ __forceinline__ void stage(const uint32_t* in, uint32_t* out) {
  const uint32_t neighbour = (blockIdx.x + 37) % gridDim.x;
  __stcg(out + blockIdx.x * blockDim.x + threadIdx.x, __ldcg(in + neighbour * blockDim.x + threadIdx.x) + 1);
}

extern "C" __global__ void edge_launch(const uint32_t* in, uint32_t* out) { stage(in, out); }

extern "C" __global__ void edge_dependent_launch(const uint32_t* in, uint32_t* out) {
  launch_next_grid();
  wait_for_previous_grid();
  stage(in, out);
}

extern "C" __global__ void edge_barrier(uint32_t* a, uint32_t* b, uint32_t* counter, uint32_t stages) {
  for (uint32_t i = 0; i < stages; i++) {
    stage(i % 2 ? b : a, i % 2 ? a : b);
    grid_barrier(counter, i + 1);
  }
}

extern "C" __global__ void edge_grid_sync(uint32_t* a, uint32_t* b, uint32_t stages) {
  for (uint32_t i = 0; i < stages; i++) {
    stage(i % 2 ? b : a, i % 2 ? a : b);
    cooperative_groups::this_grid().sync();
  }
}
