// kernels/prefill/route.cu
#include <cuda_fp16.h>
#include <integer_tile.cuh>
#include <integers.cuh>
#include <memory_access.cuh>
#include <ordering.cuh>
#include <tile.cuh>

#include "../registry.hpp"

namespace {
#include "prefill/route.cu"
}  // namespace

KERNEL(RouteArgs, prefill_route)
KERNEL(ListArgs, prefill_list)
KERNEL(JoinArgs, prefill_join)
