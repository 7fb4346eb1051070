// kernels/decode/experts_up.cu
#include <cuda_fp16.h>
#include <integers.cuh>
#include <memory_access.cuh>
#include <ordering.cuh>
#include <tile.cuh>

#include "../registry.hpp"

namespace {
#include "decode/experts_up.cu"
}  // namespace

KERNEL(ExpertsUpArgs, experts_up)
KERNEL(ExpertsUpArgs, experts_up_k)
