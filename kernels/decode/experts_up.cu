// The routed experts of a token, first half: the choice, gate and up projections. Which rows are read follows from the router's
// logits on the device; the next grid begins when the choice is written.

#include "divisor.cuh"
#include "router.cuh"
#include "slots.cuh"
#include "token.cuh"

struct ExpertsUpArgs {
  Norms norms;
  Matrix gate;  // [experts][width] rows, or [experts][2 * width] with the gates' first and `up` empty
  Matrix up;    // of the same type
  const float* router;        // logits [experts]
  const float* expert_scale;  // [experts] or null
  const Token* token;
  uint32_t* chosen;  // [used]
  float* weight;     // [used]
  uint32_t* trace;   // this layer's slot of step 0
  float* out;        // [used][width]
  uint32_t experts;
  uint32_t used;
  uint32_t width;
  uint32_t activation;    // 0: SiLU, 1: GELU (tanh)
  uint32_t trace_stride;  // from step to step, in ids
  uint32_t trace_steps;
  uint32_t units;  // chunks of a row
  uint32_t ring;   // where rings begin in dynamic shared memory
  uint32_t slots;  // of a ring
  uint32_t unused;
};
static_assert(sizeof(ExpertsUpArgs) == 272, "the host writes this record");

// A warp's way through pairs of rows of the chosen experts, gate and up.
struct PairCursor {
  uint32_t pair;
  uint32_t chunk;  // the step's first of the gate's row, counted in its matrix
  uint32_t left;   // chunks of the row

  __device__ __forceinline__ void settle(const ExpertsUpArgs& args, const uint32_t* ids, Divisor width) {
    left = args.units;
    if (pair >= args.used * args.width) return;
    const uint32_t slot = width.divide(pair), row = pair - slot * args.width, first = ids[slot] * args.width;
    chunk = (args.up.plane[0] ? first + row : 2 * first + row) * args.units;
  }
  // False where the next step is another pair's.
  __device__ __forceinline__ bool advance(const ExpertsUpArgs& args, const uint32_t* ids, Divisor width) {
    if (left > 32) {
      chunk += 32;
      left -= 32;
      return true;
    }
    pair += gridDim.x * (blockDim.x / 32);
    settle(args, ids, width);
    return false;
  }
};

// The first 15 warps make the vector while the last chooses the experts.
constexpr uint32_t UP_VECTOR_THREADS = 480;

template <class B>
__device__ __forceinline__ void multiply_pairs(const ExpertsUpArgs& args, const uint32_t* ids, Divisor width, const Vector& v) {
  using Ring = Slots<B, 2, 32>;
  const uint8_t* const planes[2] = {args.gate.plane[0], args.up.plane[0] ? args.up.plane[0] : args.gate.plane[0]};
  Lane lane;
  Ring ring{args.ring, args.slots, lane};
  ring.aim(args.gate);
  const uint32_t pairs = args.used * args.width, to_up = args.up.plane[0] ? 0 : args.width * args.units;
  PairCursor ahead;
  ahead.pair = threadIdx.x / 32 * gridDim.x + blockIdx.x;
  ahead.settle(args, ids, width);
  PairCursor here = ahead;
  auto fetch = [&] {
    if (ahead.pair < pairs) {
      const uint32_t chunks[2] = {ahead.chunk, ahead.chunk + to_up};
      ring.fetch(planes, chunks, ahead.left);
      ahead.advance(args, ids, width);
    }
    tile::end_copies();
    ring.next();
  };
#pragma unroll 1
  for (uint32_t i = 0; i < args.slots; i++) fetch();
  // Nothing needs it but the race checker, which takes the vector's halves for unordered without.
  __syncthreads();
  float sums[2] = {0, 0};
  while (here.pair < pairs) {
    ring.wait();
    if (lane_of_warp() < here.left) {
      const uint32_t chunks[2] = {here.chunk, here.chunk + to_up};
      ring.add(v, args.units - here.left + lane_of_warp(), chunks, sums);
    }
    // The slot may be filled again.
    __syncwarp();
    fetch();
    const uint32_t pair = here.pair;
    if (here.advance(args, ids, width)) continue;
    const float gate = warp_sums(sums[0], sums[1]), up = __shfl_xor_sync(~0u, gate, 16);
    if (lane_of_warp() == 0) args.out[pair] = (args.activation == 0 ? silu(gate) : gelu_tanh(gate)) * up;
    sums[0] = sums[1] = 0;
  }
}

struct Chosen {
  uint32_t ids[MOST_USED];
  float weights[MOST_USED];
};

template <class TYPES>
__device__ __forceinline__ void experts_up_rows(const ExpertsUpArgs& args, Chosen& chosen) {
  uint32_t* const ids = chosen.ids;
  const bool chooses = threadIdx.x >= UP_VECTOR_THREADS;
  // The next grid reads the choice before its wait, so it must not begin before the choice is written.
  if (blockIdx.x != 0) launch_next_grid();
  if (!chooses) prepare_vector(args.norms, 0, UP_VECTOR_THREADS);
  const Divisor width(args.width);
  keep_loads_above();
  wait_for_previous_grid();
  const Vector v(args.norms.place, args.norms.columns, takes_values(args.gate));
  if (!chooses) {
    make_vector(args.norms, 0, v, UP_VECTOR_THREADS, 0);
  } else {
    choose_experts(args.router, args.experts, args.used, args.expert_scale, ids, chosen.weights);
    const uint32_t i = lane_of_warp();
    if (blockIdx.x == 0 && i < args.used) {
      args.chosen[i] = ids[i];
      args.weight[i] = chosen.weights[i];
      args.trace[args.token->step % args.trace_steps * args.trace_stride + i] = ids[i];
    }
    // All lanes have stored.
    __syncwarp();
    if (blockIdx.x == 0) launch_next_grid_behind_stores();
  }
  __syncthreads();
  TYPES::with_block(args.gate.type, [&](auto block) { multiply_pairs<decltype(block)>(args, ids, width, v); });
}

extern "C" __global__ void __launch_bounds__(512, 1) experts_up(const __grid_constant__ ExpertsUpArgs args) {
  __shared__ Chosen chosen;
  experts_up_rows<AllTypes>(args, chosen);
}

// For gate and up projections of Q4_K_M files.
extern "C" __global__ void __launch_bounds__(512, 2) experts_up_k(const __grid_constant__ ExpertsUpArgs args) {
  __shared__ Chosen chosen;
  experts_up_rows<Types<Q4_K, Q5_K>>(args, chosen);
}
