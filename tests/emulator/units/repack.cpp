// kernels/decode/repack.cu
#include <cuda_fp16.h>
#include <memory_access.cuh>
#include <ordering.cuh>
#include <tile.cuh>

#include "../registry.hpp"

namespace {
#include "decode/repack.cu"
}  // namespace

KERNEL(RepackArgs, repack)
KERNEL(RepackArgs, restore)
