// Peak rate of the tensor cores through mma.sync: C_j += A * B_j, j = 0..7, `iterations` times in every warp.
// Layout: a[4][32], b[8][2][32] words in fragment order (lane fastest), the same for every warp. out[c][thread] is the sum
// over j of accumulator word c = 0..3, thread counted over the grid. Operations: warps * iterations * 8 * 2 * 16 * 8 * K.
// Inputs are small integers, so that every partial sum is exact.

#include <cstdint>

constexpr int ACCUMULATORS = 8;

__device__ __forceinline__ void mma(float* c, const uint32_t* a, const uint32_t* b) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

__device__ __forceinline__ void mma(int32_t* c, const uint32_t* a, const uint32_t* b) {
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
      : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

template <typename C>
__device__ __forceinline__ void multiply(const uint32_t* a_words, const uint32_t* b_words, uint32_t iterations, C* out) {
  const uint32_t lane = threadIdx.x % 32;
  uint32_t a[4], b[ACCUMULATORS][2];
  C c[ACCUMULATORS][4];
#pragma unroll
  for (int i = 0; i < 4; i++) a[i] = a_words[i * 32 + lane];
#pragma unroll
  for (int j = 0; j < ACCUMULATORS; j++) {
    b[j][0] = b_words[(j * 2) * 32 + lane];
    b[j][1] = b_words[(j * 2 + 1) * 32 + lane];
#pragma unroll
    for (int i = 0; i < 4; i++) c[j][i] = 0;
  }
  for (uint32_t n = 0; n < iterations; n++) {
#pragma unroll
    for (int j = 0; j < ACCUMULATORS; j++) mma(c[j], a, b[j]);
  }
  const uint64_t threads = static_cast<uint64_t>(gridDim.x) * blockDim.x;
  const uint64_t thread = blockIdx.x * static_cast<uint64_t>(blockDim.x) + threadIdx.x;
#pragma unroll
  for (int i = 0; i < 4; i++) {
    C sum = 0;
#pragma unroll
    for (int j = 0; j < ACCUMULATORS; j++) sum += c[j][i];
    out[i * threads + thread] = sum;
  }
}

extern "C" __global__ void __launch_bounds__(1024, 1) tensor_fp16(const uint32_t* a, const uint32_t* b, uint32_t iterations,
                                                               float* out) {
  multiply(a, b, iterations, out);
}

extern "C" __global__ void __launch_bounds__(1024, 1) tensor_int8(const uint32_t* a, const uint32_t* b, uint32_t iterations,
                                                               int32_t* out) {
  multiply(a, b, iterations, out);
}
