// What attention over a batch needs: queries, keys and values behind norm and rotation (prefill_heads_*), and the batch's keys
// and values in the caches afterwards (prefill_append).
//
// The caches of sliding layers hold no more than the window: the batch's first queries see what its last tokens overwrite. So
// the batch's own keys and values lie apart until attention is done.

#include "decode/attention_heads.cuh"
#include "memory_access.cuh"

struct HeadsArgs {
  const float* query;       // [tokens], rows query_row apart; head h at h * query_stride
  const float* key;         // [tokens], rows key_row apart
  const float* value;       // [tokens], rows value_row apart; may be `key`
  const float* query_norm;  // [head_dim]
  const float* key_norm;    // [head_dim]
  const double* frequency;  // [rotary / 2] radians per position
  __half* queries;          // [tokens][heads][2][head_dim]: upper and lower parts
  __half* keys;             // [kv_heads][batch][head_dim]
  __half* values;           // the same
  uint32_t query_row, key_row, value_row, query_stride;
  uint32_t heads;
  uint32_t kv_heads;
  uint32_t rotary;
  uint32_t value_norm;
  uint32_t position;  // of the first token
  uint32_t batch;
  float epsilon;
  uint32_t unused;
};
static_assert(sizeof(HeadsArgs) == 120, "the host writes this record");

namespace attention {

DYNAMIC_SHARED(heads_shared);

// A block takes a token, a warp a head after another: queries, keys, values.
template <uint32_t D>
__device__ __forceinline__ void make_heads(const HeadsArgs& args) {
  const uint64_t token = blockIdx.x;
  const uint32_t warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  float2* const turns = reinterpret_cast<float2*>(heads_shared);
  float* const row = reinterpret_cast<float*>(heads_shared + D / 2 * 8) + warp * D;
  fill_turns(turns, args.frequency, args.rotary / 2, args.position + static_cast<uint32_t>(token));
  __syncthreads();
  for (uint32_t job = warp; job < args.heads + 2 * args.kv_heads; job += blockDim.x / 32) {
    const bool is_query = job < args.heads, is_value = job >= args.heads + args.kv_heads;
    const uint32_t kv_head = job - args.heads - (is_value ? args.kv_heads : 0);
    Head<D> head;
    head.load_weight(is_query ? args.query_norm : is_value ? nullptr : args.key_norm);
    head.load(is_query   ? args.query + token * args.query_row + static_cast<uint64_t>(job) * args.query_stride
              : is_value ? args.value + token * args.value_row + kv_head * D
                         : args.key + token * args.key_row + kv_head * D);
    if (!is_value || args.value_norm) head.normalise(args.epsilon);
    if (!is_value) head.rotate(row, Rotation{turns, args.rotary});
    if (is_query) {
      uint32_t* const to = reinterpret_cast<uint32_t*>(args.queries + (token * args.heads + job) * 2 * D);
#pragma unroll
      for (uint32_t j = 0; j < Head<D>::PAIRS; j++) {
        tile::split_halves(head.x[j].x, head.x[j].y, to[32 * j + lane], to[D / 2 + 32 * j + lane]);
      }
      continue;
    }
    __half* const of_head = (is_value ? args.values : args.keys) + (static_cast<uint64_t>(kv_head) * args.batch + token) * D;
    __half2* const to = reinterpret_cast<__half2*>(of_head);
#pragma unroll
    for (uint32_t j = 0; j < Head<D>::PAIRS; j++) to[32 * j + lane] = __floats2half2_rn(head.x[j].x, head.x[j].y);
  }
}

}  // namespace attention

struct AppendArgs {
  const uint4* keys;  // [kv_heads][batch][pieces]
  const uint4* values;
  uint4* key_cache;  // [kv_heads][capacity][pieces], position p at p % capacity
  uint4* value_cache;
  uint32_t position;
  uint32_t tokens;
  uint32_t batch;
  uint32_t capacity;
  uint32_t pieces;  // of 16 bytes of a head
  uint32_t unused;
};
static_assert(sizeof(AppendArgs) == 56, "the host writes this record");

// Grid (tokens, kv_heads). Of tokens that fall on one place the last counts.
extern "C" __global__ void __launch_bounds__(128) prefill_append(const __grid_constant__ AppendArgs args) {
  const uint32_t token = blockIdx.x;
  if (token + args.capacity < args.tokens) return;
  const uint64_t from = (static_cast<uint64_t>(blockIdx.y) * args.batch + token) * args.pieces;
  const uint64_t to = (static_cast<uint64_t>(blockIdx.y) * args.capacity + (args.position + token) % args.capacity) * args.pieces;
  for (uint32_t i = threadIdx.x; i < args.pieces; i += blockDim.x) {
    args.key_cache[to + i] = __ldcg(args.keys + from + i);
    args.value_cache[to + i] = __ldcg(args.values + from + i);
  }
}

#define HEADS(DIM)                                                                                                      \
  extern "C" __global__ void __launch_bounds__(256) prefill_heads_##DIM(const __grid_constant__ HeadsArgs args) {       \
    attention::make_heads<DIM>(args);                                                                                   \
  }
HEADS(64)
HEADS(128)
HEADS(256)
HEADS(512)
#undef HEADS
