// kernels/decode/project.cu
#include <cuda_fp16.h>
#include <integers.cuh>
#include <memory_access.cuh>
#include <ordering.cuh>
#include <tile.cuh>

#include "../registry.hpp"

namespace {
#include "decode/project.cu"
}  // namespace

KERNEL(ProjectArgs, project)
KERNEL(ProjectArgs, project_k)
