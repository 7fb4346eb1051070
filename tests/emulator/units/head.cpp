// kernels/decode/head.cu
#include <cuda_fp16.h>
#include <integers.cuh>
#include <memory_access.cuh>
#include <ordering.cuh>
#include <tile.cuh>

#include "../registry.hpp"

namespace {
#include "decode/head.cu"
}  // namespace

KERNEL(HeadArgs, head)
KERNEL(HeadArgs, head_k)
