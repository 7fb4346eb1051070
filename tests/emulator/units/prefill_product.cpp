// kernels/prefill/product.cu
#include <cuda_fp16.h>
#include <integer_tile.cuh>
#include <integers.cuh>
#include <memory_access.cuh>
#include <ordering.cuh>
#include <tile.cuh>

#include "../registry.hpp"

namespace {
#include "prefill/product.cu"
}  // namespace

KERNEL(ProductArgs, prefill_product_q4_k)
KERNEL(ProductArgs, prefill_product_q5_k)
KERNEL(ProductArgs, prefill_product_q6_k)
KERNEL(ProductArgs, prefill_product_q8_0)
KERNEL(ProductArgs, prefill_product_q5_0)
KERNEL(ProductArgs, prefill_product_q5_1)
