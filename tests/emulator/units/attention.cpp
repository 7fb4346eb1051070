// kernels/decode/attention.cu
#include <cuda_fp16.h>
#include <memory_access.cuh>
#include <ordering.cuh>
#include <tile.cuh>

#include "../registry.hpp"

namespace {
#include "decode/attention.cu"
}  // namespace

#define ATTENTION_OF(DIM)                    \
  KERNEL(AttentionArgs, attention_##DIM##x1) \
  KERNEL(AttentionArgs, attention_##DIM##x2) \
  KERNEL(AttentionArgs, attention_##DIM##x4) \
  KERNEL(AttentionArgs, attention_##DIM##x8)
ATTENTION_OF(64)
ATTENTION_OF(128)
ATTENTION_OF(256)
ATTENTION_OF(512)
