// kernels/decode/delta.cu
#include <cuda_fp16.h>
#include <memory_access.cuh>
#include <ordering.cuh>
#include <tile.cuh>

#include "../registry.hpp"

namespace {
#include "decode/delta.cu"
}  // namespace

KERNEL(DeltaArgs, delta_step_32)
KERNEL(DeltaArgs, delta_step_64)
KERNEL(DeltaArgs, delta_step_128)
KERNEL(DeltaArgs, delta_step_256)
