// kernels/decode/experts.cu
#include <cuda_fp16.h>
#include <integers.cuh>
#include <memory_access.cuh>
#include <ordering.cuh>
#include <tile.cuh>

#include "../registry.hpp"

namespace {
#include "decode/experts.cu"
}  // namespace

KERNEL(ExpertsUpArgs, experts_up)
KERNEL(ExpertsUpArgs, experts_up_k)
KERNEL(ExpertsDownArgs, experts_down)
KERNEL(ExpertsDownArgs, experts_down_k)
KERNEL(ExpertsDownArgs, experts_down_q)
