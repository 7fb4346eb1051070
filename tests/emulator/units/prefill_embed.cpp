// kernels/prefill/embed.cu
#include <cuda_fp16.h>
#include <integer_tile.cuh>
#include <integers.cuh>
#include <memory_access.cuh>
#include <ordering.cuh>
#include <tile.cuh>

#include "../registry.hpp"

namespace {
#include "prefill/embed.cu"
}  // namespace

KERNEL(EmbedArgs, prefill_embed)
