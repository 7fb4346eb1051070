// Joins the splits of attention and applies the output gate.
//
// Grid of at least heads * head_dim / 64, block 512: a block makes 64 dimensions of a head, two a lane; warp w takes splits w, w +
// 16, .., all loads of up to 128 splits under way at once. Every warp finds the largest score and the sum of weights
// for itself.
// Invariant: reads only splits that had work (active_splits). The position read before the wait is a guess, so that
// loads need not wait for it, and is checked before anything is used.

#include "attention.cuh"
#include "ordering.cuh"
#include "tile.cuh"

namespace attention {

constexpr uint32_t COMBINE_WARPS = 16;
constexpr uint32_t COMBINE_BATCH = 8;

// The warp's share of two dimensions, relative to the largest score of all splits; `sum` is that of all weights.
__device__ __forceinline__ float2 gather(const CombineArgs& args, uint32_t active, float& sum) {
  const Partial partial{args.heads, args.splits, args.head_dim};
  const uint32_t warp = threadIdx.x / 32, lane = threadIdx.x % 32, head = blockIdx.x % args.heads;
  const float2* weights = reinterpret_cast<const float2*>(args.partial + partial.weights(head, 0));
  const float* first_output = args.partial + partial.output(head, 0) + blockIdx.x / args.heads * 64;
  const float2* outputs = reinterpret_cast<const float2*>(first_output) + lane;
  float2 out = make_float2(0, 0);
  float largest = -INFINITY;
  for (uint32_t first = 0; first < active; first += COMBINE_WARPS * COMBINE_BATCH) {
    float2 x[COMBINE_BATCH];
    float score[COMBINE_BATCH];
#pragma unroll
    for (uint32_t i = 0; i < COMBINE_BATCH; i++) {
      const uint32_t split = first + i * COMBINE_WARPS + warp;
      const bool exists = split < active;
      x[i] = exists ? __ldcg(outputs + static_cast<uint64_t>(split) * (args.head_dim / 2)) : make_float2(0, 0);
      score[i] = exists ? __ldcg(weights + split).x : -INFINITY;
    }
    if (first == 0) {
      sum = 0;
      for (uint32_t split = lane; split < active; split += 32) {
        const float2 weight = __ldcg(weights + split);
        const float most = fmaxf(largest, weight.x);
        sum = sum * exp2f(largest - most) + weight.y * exp2f(weight.x - most);
        largest = most;
      }
      float most = largest;
#pragma unroll
      for (int offset = 16; offset > 0; offset /= 2) most = fmaxf(most, __shfl_xor_sync(~0u, most, offset));
      sum *= exp2f(largest - most);
      largest = most;
#pragma unroll
      for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_xor_sync(~0u, sum, offset);
    }
#pragma unroll
    for (uint32_t i = 0; i < COMBINE_BATCH; i++) {
      const float weight = exp2f(score[i] - largest);
      out = make_float2(out.x + weight * x[i].x, out.y + weight * x[i].y);
    }
  }
  return out;
}

}  // namespace attention

extern "C" __global__ void __launch_bounds__(512, 2) attention_combine(const __grid_constant__ CombineArgs args) {
  using namespace attention;
  __shared__ float2 parts[COMBINE_WARPS][32];
  if (blockIdx.x >= args.heads * (args.head_dim / 64)) return stand_by();
  launch_next_grid();
  const uint32_t warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  // One lane's guess for its warp: lanes that looked at different times could differ.
  const uint32_t guess = __shfl_sync(~0u, tile::load_relaxed(&args.token->position), 0);
  wait_for_previous_grid();
  const uint32_t position = tile::load_relaxed(&args.token->position);
  const uint32_t head = blockIdx.x % args.heads, element = blockIdx.x / args.heads * 64 + threadIdx.x;
  const uint64_t gate_at = static_cast<uint64_t>(head) * args.gate_stride + element;
  const float gate = args.gate && threadIdx.x < 64 ? __ldcg(args.gate + gate_at) : 0;
  float sum;
  parts[warp][lane] = gather(args, active_splits(seen_positions(guess, args.window), args.splits), sum);
  if (position != guess) {
    parts[warp][lane] = gather(args, active_splits(seen_positions(position, args.window), args.splits), sum);
  }
  __syncthreads();
  if (threadIdx.x >= 64) return;
  float out = 0;
#pragma unroll
  for (uint32_t w = 0; w < COMBINE_WARPS; w++) out += reinterpret_cast<const float*>(parts[w])[threadIdx.x];
  out /= sum;
  if (args.gate) out *= opened(gate);
  args.out[static_cast<uint64_t>(head) * args.head_dim + element] = out;
}
