// One step of Gated DeltaNet: causal convolution, SiLU, unit queries and keys, gated delta rule.
//
// Grid of at least value_heads * ceil(value_dim / 32), block 256: a block takes 32 rows of a head's state [value_dim][KEY_DIM], 8
// lanes a row, so a warp's load touches 4 rows of 128 contiguous bytes. Value head h uses key head h % key_heads; every
// block convolves the channels that it needs itself.
// One pass over the state S: with k.S and q.S of the old state, change = beta * (v - decay * k.S),
// out = decay * q.S + change * (q.k), S <- decay * S + change * k. Unit length is applied to the sums.
// Invariants: state and window are read before the wait (the step before wrote them, a whole token ago) and written
// behind it. The window is a ring: slot position % taps is written by one block for each channel and read by none in
// this step.
// At position 0 the state counts as zero, and so do slots of positions before it, whatever lies there.

#include "ordering.cuh"
#include "tile.cuh"
#include "token.cuh"

struct DeltaArgs {
  const Token* token;
  const float* projected;  // [channels]: key_heads * key_dim queries, as many keys, value_heads * value_dim values
  const float* alpha;      // [value_heads]
  const float* beta;       // [value_heads]
  const float* conv;       // [channels][taps], the last tap is the token's own
  const float* decay;      // [value_heads], negative
  const float* step_bias;  // [value_heads]
  float* window;           // [taps][channels], position p at slot p % taps
  float* state;            // [value_heads][value_dim][key_dim]; 16-byte aligned
  float* out;              // [value_heads][value_dim]
  uint32_t key_heads;
  uint32_t value_heads;
  uint32_t key_dim;
  uint32_t value_dim;
  uint32_t taps;  // at most delta::MOST_TAPS
  float epsilon;
};
static_assert(sizeof(DeltaArgs) == 104, "the host writes this record");

namespace delta {

constexpr uint32_t THREADS = 256;
constexpr uint32_t ROWS = 32;
constexpr uint32_t LANES = THREADS / ROWS;
constexpr uint32_t MOST_TAPS = 4;

__device__ __forceinline__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }
__device__ __forceinline__ float softplus(float x) { return x > 20.0f ? x : log1pf(expf(x)); }
__device__ __forceinline__ float dot(float4 a, float4 b) { return a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w; }

// Channels of a block: KEY_DIM queries, KEY_DIM keys, ROWS values.
template <uint32_t KEY_DIM>
struct Channels {
  static constexpr uint32_t COUNT = 2 * KEY_DIM + ROWS;
  static constexpr uint32_t EACH = (COUNT + THREADS - 1) / THREADS;

  uint32_t channel[EACH];
  bool exists[EACH];
  bool kept[EACH];  // this block writes the channel's slot
  float weight[EACH][MOST_TAPS];
  float past[EACH][MOST_TAPS];  // by slot

  __device__ __forceinline__ void load(const DeltaArgs& args) {
    const uint32_t head = blockIdx.x % args.value_heads, part = blockIdx.x / args.value_heads;
    const uint32_t key_head = head % args.key_heads, keys = args.key_heads * KEY_DIM;
    const uint32_t channels = 2 * keys + args.value_heads * args.value_dim;
#pragma unroll
    for (uint32_t i = 0; i < EACH; i++) {
      const uint32_t local = i * THREADS + threadIdx.x;
      if (local < 2 * KEY_DIM) {
        channel[i] = local / KEY_DIM * keys + key_head * KEY_DIM + local % KEY_DIM;
        exists[i] = true;
        kept[i] = head == key_head && part == 0;
      } else {
        const uint32_t row = part * ROWS + local - 2 * KEY_DIM;
        channel[i] = 2 * keys + head * args.value_dim + row;
        exists[i] = kept[i] = local < COUNT && row < args.value_dim;
      }
#pragma unroll
      for (uint32_t t = 0; t < MOST_TAPS; t++) {
        const bool used = exists[i] && t < args.taps;
        weight[i][t] = used ? __ldg(args.conv + static_cast<uint64_t>(channel[i]) * args.taps + t) : 0;
        past[i][t] = used ? __ldcg(args.window + static_cast<uint64_t>(t) * channels + channel[i]) : 0;
      }
    }
  }

  // Convolves, keeps the raw inputs for later tokens, and leaves what SiLU makes of the sums in `active` [COUNT].
  __device__ __forceinline__ void convolve(const DeltaArgs& args, const float (&input)[EACH], uint32_t position,
                                           float* active) const {
    const uint32_t channels = 2 * args.key_heads * KEY_DIM + args.value_heads * args.value_dim;
#pragma unroll
    for (uint32_t i = 0; i < EACH; i++) {
      if (!exists[i]) continue;
      float sum = 0;
#pragma unroll
      for (uint32_t t = 0; t < MOST_TAPS; t++) {
        if (t >= args.taps) break;
        const uint32_t age = args.taps - 1 - t, slot = (position + 1 + t) % args.taps;
        float x = past[i][0];
#pragma unroll
        for (uint32_t s = 1; s < MOST_TAPS; s++) x = slot == s ? past[i][s] : x;
        if (age == 0) x = input[i];
        if (age <= position) sum += weight[i][t] * x;
      }
      active[i * THREADS + threadIdx.x] = sum * sigmoid(sum);
      if (kept[i]) args.window[static_cast<uint64_t>(position % args.taps) * channels + channel[i]] = input[i];
    }
  }
};

template <uint32_t KEY_DIM>
__device__ __forceinline__ void step(const DeltaArgs& args) {
  constexpr uint32_t QUADS = KEY_DIM / 4 / LANES;
  __shared__ __align__(16) float active[Channels<KEY_DIM>::COUNT];
  if (blockIdx.x >= args.value_heads * ((args.value_dim + ROWS - 1) / ROWS)) return stand_by();
  launch_next_grid();
  const uint32_t head = blockIdx.x % args.value_heads, part = blockIdx.x / args.value_heads;
  const uint32_t row = part * ROWS + threadIdx.x / LANES, lane = threadIdx.x % LANES;
  const bool exists = row < args.value_dim;
  const uint32_t value_row = head * args.value_dim + row;
  float4* const state = reinterpret_cast<float4*>(args.state) + static_cast<uint64_t>(value_row) * (KEY_DIM / 4) + lane;
  float4 s[QUADS];
#pragma unroll
  for (uint32_t i = 0; i < QUADS; i++) s[i] = exists ? __ldcg(state + i * LANES) : make_float4(0, 0, 0, 0);
  Channels<KEY_DIM> channels;
  channels.load(args);
  const float rate = __ldg(args.decay + head), bias = __ldg(args.step_bias + head);
  keep_loads_above();
  wait_for_previous_grid();

  const uint32_t position = tile::load_relaxed(&args.token->position);
  float input[Channels<KEY_DIM>::EACH];
#pragma unroll
  for (uint32_t i = 0; i < Channels<KEY_DIM>::EACH; i++) {
    input[i] = channels.exists[i] ? __ldcg(args.projected + channels.channel[i]) : 0;
  }
  const float alpha = __ldcg(args.alpha + head), beta = sigmoid(__ldcg(args.beta + head));
  const float decay = expf(rate * softplus(alpha + bias));
  channels.convolve(args, input, position, active);
  __syncthreads();

  const float4* const queries = reinterpret_cast<const float4*>(active);
  const float4* const keys = queries + KEY_DIM / 4;
  float4 k[QUADS];
  float key_state = 0, query_state = 0, key_key = 0, query_query = 0, query_key = 0;
#pragma unroll
  for (uint32_t i = 0; i < QUADS; i++) {
    const float4 q = queries[i * LANES + lane];
    k[i] = keys[i * LANES + lane];
    if (position == 0) s[i] = make_float4(0, 0, 0, 0);
    key_state += dot(k[i], s[i]);
    query_state += dot(q, s[i]);
    key_key += dot(k[i], k[i]);
    query_query += dot(q, q);
    query_key += dot(q, k[i]);
  }
#pragma unroll
  for (uint32_t offset = LANES / 2; offset > 0; offset /= 2) {
    key_state += __shfl_xor_sync(~0u, key_state, offset);
    query_state += __shfl_xor_sync(~0u, query_state, offset);
    key_key += __shfl_xor_sync(~0u, key_key, offset);
    query_query += __shfl_xor_sync(~0u, query_query, offset);
    query_key += __shfl_xor_sync(~0u, query_key, offset);
  }
  if (!exists) return;
  const float of_key = rsqrtf(key_key + args.epsilon);
  const float of_query = rsqrtf(query_query + args.epsilon) * rsqrtf(static_cast<float>(KEY_DIM));
  const float value = active[2 * KEY_DIM + threadIdx.x / LANES];
  const float change = beta * (value - decay * (key_state * of_key));
  const float of_change = change * of_key;
#pragma unroll
  for (uint32_t i = 0; i < QUADS; i++) {
    state[i * LANES] = make_float4(decay * s[i].x + of_change * k[i].x, decay * s[i].y + of_change * k[i].y,
                                   decay * s[i].z + of_change * k[i].z, decay * s[i].w + of_change * k[i].w);
  }
  if (lane == 0) args.out[value_row] = of_query * (decay * query_state + of_change * query_key);
}

}  // namespace delta

#define DELTA_STEP(KEY_DIM)                                                                       \
  extern "C" __global__ void __launch_bounds__(delta::THREADS, 2)                                 \
      delta_step_##KEY_DIM(const __grid_constant__ DeltaArgs args) {                              \
    delta::step<KEY_DIM>(args);                                                                   \
  }
DELTA_STEP(32)
DELTA_STEP(64)
DELTA_STEP(128)
DELTA_STEP(256)
#undef DELTA_STEP
