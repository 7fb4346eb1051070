// kernels/decode/experts.cu
#include <cuda_fp16.h>
#include <memory_access.cuh>
#include <ordering.cuh>
#include <tile.cuh>

#include "../registry.hpp"

namespace {
#include "decode/experts.cu"
}  // namespace

KERNEL(ExpertsUpArgs, experts_up)
KERNEL(ExpertsDownArgs, experts_down)
