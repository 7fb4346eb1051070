// The experts of a batch: each token's choice, as decode makes it; for each expert the entries (token * used + slot) that chose
// it, in rising order; and what becomes of their outputs. No order is left to chance: lists are made by counting, and outputs
// are summed slot by slot, as they were chosen.

#include "decode/router.cuh"

struct RouteArgs {
  const float* router;        // logits [tokens][experts]
  const float* expert_scale;  // [experts] or null
  uint32_t* chosen;           // [tokens][used]
  float* weight;              // [tokens][used]
  uint32_t* trace;            // [used]: of the last token
  uint32_t tokens;
  uint32_t experts;
  uint32_t used;
  uint32_t unused;
};
static_assert(sizeof(RouteArgs) == 56, "the host writes this record");

// A warp takes a token.
extern "C" __global__ void __launch_bounds__(256) prefill_route(const __grid_constant__ RouteArgs args) {
  const uint32_t token = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
  if (token >= args.tokens) return;
  const uint64_t first = static_cast<uint64_t>(token) * args.used;
  choose_experts(args.router + static_cast<uint64_t>(token) * args.experts, args.experts, args.used, args.expert_scale, args.chosen + first,
                 args.weight + first);
  if (token + 1 == args.tokens && lane < args.used) args.trace[lane] = args.chosen[first + lane];
}

struct ListArgs {
  const uint32_t* chosen;  // [entries]
  uint32_t* list;          // [experts][capacity]
  uint32_t* counts;        // [experts]
  uint32_t entries;
  uint32_t capacity;
};
static_assert(sizeof(ListArgs) == 32, "the host writes this record");

// A block takes an expert. Each warp counts its part of the entries, then writes them behind those of the warps in front.
extern "C" __global__ void __launch_bounds__(256) prefill_list(const __grid_constant__ ListArgs args) {
  __shared__ uint32_t counted[8];
  const uint32_t expert = blockIdx.x, warp = threadIdx.x / 32, lane = threadIdx.x % 32, warps = blockDim.x / 32;
  const uint32_t each = ((args.entries + warps - 1) / warps + 31) / 32 * 32, begin = warp * each, end = min(begin + each, args.entries);
  uint32_t* const list = args.list + static_cast<uint64_t>(expert) * args.capacity;
  auto mask_at = [&](uint32_t first) {
    const uint32_t entry = first + lane;
    return __ballot_sync(~0u, entry < end && __ldcg(args.chosen + entry) == expert);
  };
  uint32_t count = 0;
  for (uint32_t first = begin; first < end; first += 32) count += __popc(mask_at(first));
  if (lane == 0) counted[warp] = count;
  __syncthreads();
  uint32_t to = 0;
  for (uint32_t w = 0; w < warp; w++) to += counted[w];
  if (threadIdx.x + 32 >= blockDim.x && lane == 0) args.counts[expert] = to + count;
  for (uint32_t first = begin; first < end; first += 32) {
    const uint32_t mask = mask_at(first);
    if (mask >> lane & 1) list[to + __popc(mask & ((1u << lane) - 1))] = first + lane;
    to += __popc(mask);
  }
}

struct JoinArgs {
  const float* routed;       // [tokens][used][rows]
  const float* weight;       // [tokens][used]
  const float* shared;       // [tokens][rows], or null: none is added
  const float* shared_gate;  // [tokens], before its sigmoid, or null: 1
  float* out;                // [tokens], rows out_stride apart
  uint32_t used;
  uint32_t rows;
  uint32_t out_stride;
  uint32_t add;  // out += instead of out =
};
static_assert(sizeof(JoinArgs) == 56, "the host writes this record");

// Grid (parts of a row, tokens), a thread a number.
extern "C" __global__ void __launch_bounds__(256) prefill_join(const __grid_constant__ JoinArgs args) {
  const uint32_t row = blockIdx.x * blockDim.x + threadIdx.x;
  const uint64_t token = blockIdx.y;
  if (row >= args.rows) return;
  float sum = 0;
  if (args.shared) {
    sum = __ldcg(args.shared + token * args.rows + row);
    if (args.shared_gate) sum *= sigmoid(__ldcg(args.shared_gate + token));
  }
  for (uint32_t slot = 0; slot < args.used; slot++) {
    const uint64_t entry = token * args.used + slot;
    sum = fmaf(__ldcg(args.weight + entry), __ldcg(args.routed + entry * args.rows + row), sum);
  }
  float* const to = args.out + token * args.out_stride + row;
  *to = args.add ? __ldcg(to) + sum : sum;
}
