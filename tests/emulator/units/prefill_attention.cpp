// kernels/prefill/attention.cu
#include <cuda_fp16.h>
#include <integer_tile.cuh>
#include <integers.cuh>
#include <memory_access.cuh>
#include <ordering.cuh>
#include <tile.cuh>

#include "../registry.hpp"

namespace {
#include "prefill/attention.cu"
}  // namespace

KERNEL(PromptAttentionArgs, prefill_attention_64)
KERNEL(PromptAttentionArgs, prefill_attention_128)
KERNEL(PromptAttentionArgs, prefill_attention_256)
KERNEL(PromptAttentionArgs, prefill_attention_512)
