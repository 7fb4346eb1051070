// Edges between dependent stages: programmatic dependent launch and the grid barrier's memory operations.
#pragma once
#include <cstdint>

__device__ __forceinline__ void wait_for_previous_grid() { asm volatile("griddepcontrol.wait;" ::: "memory"); }
__device__ __forceinline__ void launch_next_grid() { asm volatile("griddepcontrol.launch_dependents;" ::: "memory"); }

// The same, so that the next grid sees before its wait what the warp, which has met, has stored.
__device__ __forceinline__ void launch_next_grid_behind_stores() {
  __threadfence();
  launch_next_grid();
}

// All that a block does for which a stage has no work. Every SM has one of each stage, or more: an SM without one would get two
// of the next stage's, and be late.
__device__ __forceinline__ void stand_by() {
  launch_next_grid();
  wait_for_previous_grid();
}

// Keeps loads above it above a wait below it: within a basic block, ptxas moves the wait in front of them.
__device__ __forceinline__ void keep_loads_above() {
  if (gridDim.z == 0) asm volatile("trap;");
}

// Keeps a number in a register: the compiler would read a parameter again wherever it is used.
__device__ __forceinline__ uint32_t in_register(uint32_t x) {
  asm("" : "+r"(x));
  return x;
}
__device__ __forceinline__ const uint8_t* in_register(const uint8_t* x) {
  asm("" : "+l"(x));
  return x;
}

// A barrier of the first `threads` threads of the block, whole warps.
__device__ __forceinline__ void sync_first(uint32_t threads) { asm volatile("bar.sync 1, %0;" ::"r"(threads) : "memory"); }

// Adds without waiting for what was there: of one addition a launch, the sum is that of a load and a store.
__device__ __forceinline__ void add_at(float* p, float x) { asm volatile("red.global.add.f32 [%0],%1;" ::"l"(p), "f"(x) : "memory"); }

// Stores for the host, behind everything that the thread has stored before.
__device__ __forceinline__ void store_for_host(unsigned long long* p, unsigned long long word) {
  asm volatile("st.release.sys.global.u64 [%0],%1;" ::"l"(p), "l"(word) : "memory");
}

__device__ __forceinline__ uint64_t global_timer_ns() {
  uint64_t t;
  asm volatile("mov.u64 %0,%globaltimer;" : "=l"(t));
  return t;
}

// One arrival per block on a counter that starts at 0; `epoch` counts from 1. Every block of the grid must be resident.
__device__ __forceinline__ void grid_barrier(uint32_t* counter, uint32_t epoch) {
  __syncthreads();
  if (threadIdx.x == 0) {
    asm volatile("red.release.gpu.global.add.u32 [%0],1;" ::"l"(counter) : "memory");
    uint32_t seen;
    do {
      asm volatile("ld.acquire.gpu.global.u32 %0,[%1];" : "=r"(seen) : "l"(counter) : "memory");
    } while (seen < epoch * gridDim.x);
  }
  __syncthreads();
}
