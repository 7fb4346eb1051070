// kernels/prefill/delta.cu
#include <cuda_fp16.h>
#include <integer_tile.cuh>
#include <integers.cuh>
#include <memory_access.cuh>
#include <ordering.cuh>
#include <tile.cuh>

#include "../registry.hpp"

namespace {
#include "prefill/delta.cu"
}  // namespace

KERNEL(ConvolveArgs, prefill_convolve)
KERNEL(ScanArgs, prefill_delta_32)
KERNEL(ScanArgs, prefill_delta_64)
KERNEL(ScanArgs, prefill_delta_128)
KERNEL(ScanArgs, prefill_delta_256)
