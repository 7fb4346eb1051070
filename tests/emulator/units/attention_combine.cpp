// kernels/decode/attention_combine.cu
#include <cuda_fp16.h>
#include <memory_access.cuh>
#include <ordering.cuh>
#include <tile.cuh>

#include "../registry.hpp"

namespace {
#include "decode/attention_combine.cu"
}  // namespace

KERNEL(CombineArgs, attention_combine)
