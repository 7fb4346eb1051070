// What attention does with its splits where it joins them by itself: the block of a group that is done last makes the
// group's result.
#pragma once
#include "attention_span.cuh"
#include "tile.cuh"

namespace attention {

// Whether the block is the last of its group's `splits` to have stored. The counter is 0 again behind it.
__device__ __forceinline__ bool is_last(const AttentionArgs& args, uint32_t group, uint32_t splits) {
  __shared__ uint32_t before;
  __syncthreads();
  if (threadIdx.x == 0) {
    // Behind the barrier, the fence orders the stores of the whole block.
    __threadfence();
    before = atomicInc(args.arrivals + group, splits - 1);
    __threadfence();
  }
  __syncthreads();
  return before == splits - 1;
}

// Joins the splits, of which there are no more than lanes, in their order; the only one is `whole` [H][D]. Applies the gate.
template <uint32_t D, uint32_t H>
__device__ __forceinline__ void finish(const AttentionArgs& args, uint32_t group, uint32_t splits, const float* whole) {
  // Two numbers of a head a lane, of several heads where there are few threads, so a warp has one head at a time. All loads of
  // a batch are under way at once.
  constexpr uint32_t PAIRS = H * D / 2, THREADS = Shape<D>::THREADS, EACH = (PAIRS + THREADS - 1) / THREADS;
  constexpr uint32_t BATCH = 16 / EACH;
  const Partial partial{args.heads, args.splits, D};
  const uint32_t lane = threadIdx.x % 32, pair = threadIdx.x % (D / 2);
  if (threadIdx.x >= PAIRS) return;
  auto head = [&](uint32_t e) { return group * H + (threadIdx.x + e * THREADS) / (D / 2); };
  float2 gate[EACH], result[EACH];
#pragma unroll
  for (uint32_t e = 0; e < EACH; e++) {
    const float* gates = args.gate + static_cast<uint64_t>(head(e)) * args.gate_stride;
    gate[e] = args.gate ? __ldcg(reinterpret_cast<const float2*>(gates) + pair) : make_float2(0, 0);
    result[e] = splits == 1 ? reinterpret_cast<const float2*>(whole)[threadIdx.x + e * THREADS] : make_float2(0, 0);
  }
  if (splits > 1) {
    float2 own[EACH];
    float factor[EACH];
#pragma unroll
    for (uint32_t e = 0; e < EACH; e++) {
      const float2* weights = reinterpret_cast<const float2*>(args.partial + partial.weights(head(e), 0));
      own[e] = lane < splits ? __ldcg(weights + lane) : make_float2(-INFINITY, 0);
    }
#pragma unroll 1
    for (uint32_t first = 0; first < splits; first += BATCH) {
      float2 x[EACH][BATCH];
#pragma unroll
      for (uint32_t e = 0; e < EACH; e++) {
        const float2* outputs = reinterpret_cast<const float2*>(args.partial + partial.output(head(e), first)) + pair;
#pragma unroll
        for (uint32_t k = 0; k < BATCH; k++) {
          x[e][k] = first + k < splits ? __ldcg(outputs + k * (D / 2)) : make_float2(0, 0);
        }
      }
      if (first == 0) {
#pragma unroll
        for (uint32_t e = 0; e < EACH; e++) {
          float most = own[e].x;
#pragma unroll
          for (int offset = 16; offset > 0; offset /= 2) most = fmaxf(most, __shfl_xor_sync(~0u, most, offset));
          factor[e] = tile::power_of_two(own[e].x - most);
          float total = own[e].y * factor[e];
#pragma unroll
          for (int offset = 16; offset > 0; offset /= 2) total += __shfl_xor_sync(~0u, total, offset);
          factor[e] = __fdividef(factor[e], total);
        }
      }
#pragma unroll
      for (uint32_t e = 0; e < EACH; e++) {
#pragma unroll
        for (uint32_t k = 0; k < BATCH; k++) {
          const float of_split = __shfl_sync(~0u, factor[e], first + k);
          result[e] = make_float2(result[e].x + of_split * x[e][k].x, result[e].y + of_split * x[e][k].y);
        }
      }
    }
  }
#pragma unroll
  for (uint32_t e = 0; e < EACH; e++) {
    if (args.gate) result[e] = make_float2(result[e].x * opened(gate[e].x), result[e].y * opened(gate[e].y));
    reinterpret_cast<float2*>(args.out + static_cast<uint64_t>(head(e)) * D)[pair] = result[e];
  }
}

}  // namespace attention
