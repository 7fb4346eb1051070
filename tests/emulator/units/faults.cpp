// Kernels that are wrong, each in its own way: the emulation must say so.
#include <cuda_fp16.h>
#include <memory_access.cuh>
#include <ordering.cuh>
#include <tile.cuh>

#include "../registry.hpp"

namespace {

struct FaultArgs {
  uint32_t* memory;  // 64 words
};

DYNAMIC_SHARED(shared);

// Lanes 16.. never come to the shuffle.
void fault_shuffle(FaultArgs args) {
  wait_for_previous_grid();
  if (threadIdx.x % 32 < 16) args.memory[threadIdx.x] = __shfl_xor_sync(~0u, threadIdx.x, 1);
}
void fault_barrier(FaultArgs) {
  wait_for_previous_grid();
  if (threadIdx.x >= 32) __syncthreads();
}
// Lanes meet at different operations.
void fault_meeting(FaultArgs args) {
  wait_for_previous_grid();
  if (threadIdx.x % 2 == 0) {
    __syncwarp();
  } else {
    args.memory[0] = __shfl_sync(~0u, threadIdx.x, 0);
  }
}
void fault_alignment(FaultArgs args) {
  wait_for_previous_grid();
  args.memory[0] = load_streaming(reinterpret_cast<const uint4*>(args.memory + 1)).x;
}
void fault_bounds(FaultArgs args) {
  wait_for_previous_grid();
  args.memory[0] = __ldg(args.memory + 64);
}
void fault_store(FaultArgs args) {
  wait_for_previous_grid();
  args.memory[1 << 20] = 1;
}
void fault_null(FaultArgs) {
  wait_for_previous_grid();
  *static_cast<volatile uint32_t*>(nullptr) = 1;
}
void fault_shared(FaultArgs) {
  wait_for_previous_grid();
  shared[64] = 1;
}
void fault_no_wait(FaultArgs) { launch_next_grid(); }
// Reads before its wait what the kernel in front of it writes.
void fault_early(FaultArgs args) {
  launch_next_grid();
  const uint32_t before = args.memory[0];
  wait_for_previous_grid();
  if (threadIdx.x == 0) args.memory[0] = before + 1;
}

}  // namespace

KERNEL(FaultArgs, fault_shuffle)
KERNEL(FaultArgs, fault_barrier)
KERNEL(FaultArgs, fault_meeting)
KERNEL(FaultArgs, fault_alignment)
KERNEL(FaultArgs, fault_bounds)
KERNEL(FaultArgs, fault_store)
KERNEL(FaultArgs, fault_null)
KERNEL(FaultArgs, fault_shared)
KERNEL(FaultArgs, fault_no_wait)
KERNEL(FaultArgs, fault_early)
