// kernels/decode/next_token.cu
#include <cuda_fp16.h>
#include <integers.cuh>
#include <memory_access.cuh>
#include <ordering.cuh>
#include <tile.cuh>

#include "../registry.hpp"

namespace {
#include "decode/next_token.cu"
}  // namespace

KERNEL(NextTokenArgs, next_token)
