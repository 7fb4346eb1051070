// kernels/decode/experts_down.cu
#include <cuda_fp16.h>
#include <integers.cuh>
#include <memory_access.cuh>
#include <ordering.cuh>
#include <tile.cuh>

#include "../registry.hpp"

namespace {
#include "decode/experts_down.cu"
}  // namespace

KERNEL(ExpertsDownArgs, experts_down)
KERNEL(ExpertsDownArgs, experts_down_k)
KERNEL(ExpertsDownArgs, experts_down_q)
