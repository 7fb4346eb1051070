// The kernels' parameters as their own files declare them. The kernels themselves are not called from here: as inline
// functions they leave nothing behind.
#pragma once
#define __global__ inline
#include <cuda_fp16.h>
#include <integers.cuh>
#include <memory_access.cuh>
#include <ordering.cuh>
#include <tile.cuh>

namespace {
#include "decode/attention.cu"
#include "decode/attention_combine.cu"
#include "decode/delta.cu"
#include "decode/experts_down.cu"
#include "decode/experts_up.cu"
#include "decode/head.cu"
#include "decode/next_token.cu"
#include "decode/project.cu"
#include "decode/repack.cu"
}  // namespace
