// kernels/prefill/heads.cu
#include <cuda_fp16.h>
#include <integer_tile.cuh>
#include <integers.cuh>
#include <memory_access.cuh>
#include <ordering.cuh>
#include <tile.cuh>

#include "../registry.hpp"

namespace {
#include "prefill/heads.cu"
}  // namespace

KERNEL(HeadsArgs, prefill_heads_64)
KERNEL(HeadsArgs, prefill_heads_128)
KERNEL(HeadsArgs, prefill_heads_256)
KERNEL(HeadsArgs, prefill_heads_512)
KERNEL(AppendArgs, prefill_append)
