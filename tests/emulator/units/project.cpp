// kernels/decode/project.cu
#include <cuda_fp16.h>
#include <memory_access.cuh>
#include <ordering.cuh>
#include <tile.cuh>

#include "../registry.hpp"

namespace {
#include "decode/project.cu"
}  // namespace

KERNEL(ProjectArgs, project_wide)
KERNEL(ProjectArgs, project_deep)
