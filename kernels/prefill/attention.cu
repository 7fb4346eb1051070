// Causal softmax attention of a batch of queries over cached keys and values and the batch's own.
//
// Grid (groups of tokens, kv_heads * parts of their query heads): a block serves up to 16 columns, `at_once` query heads that
// share a KV head times 16 / at_once neighbouring tokens. Block 256 threads (128 for heads of 64). Positions come in tiles of KEYS,
// their keys and their values in units of shared memory, two tiles at a time. Two barriers a tile, as in decode's attention:
//   - scores = K * Q^T on tensor cores, a warp 16 positions x 64 dimensions; positions are rows, queries columns;
//   - each warp adds up the slices of all scores, takes the softmax of the tile for itself, and computes its own share of
//     the dimensions of V^T * P^T.
// Products are as good as f32: queries and weights go in as two f16, and what a tile adds is summed outside of tensor cores.
// Invariants: tiles begin at multiples of KEYS of the position, so a query's sums do not depend on what else is in its block or
// where the batch begins; a tile that a column does not see leaves it as it was. Positions before the batch are read from the
// caches, the others from the batch; what nobody sees is zero.

#include <cuda_fp16.h>

#include "memory_access.cuh"
#include "tile.cuh"

struct PromptAttentionArgs {
  const __half* queries;  // [tokens][heads][2][head_dim]: upper and lower parts
  const __half* keys;     // of the batch, [kv_heads][batch][head_dim]
  const __half* values;
  const __half* key_cache;  // [kv_heads][capacity][head_dim], position p at p % capacity
  const __half* value_cache;
  const float* gate;  // [tokens], rows gate_row apart; head h's, before its sigmoid, at h * gate_stride; or null
  float* out;         // [tokens], rows out_row apart: [heads][head_dim]
  uint32_t gate_row, gate_stride, out_row;
  uint32_t position;  // of the first token
  uint32_t tokens;
  uint32_t heads;
  uint32_t kv_heads;
  uint32_t at_once;   // divides the heads that share a KV head; at most 16
  uint32_t batch;
  uint32_t capacity;
  uint32_t window;  // positions seen, the token's own included; 0: all
  float scale;
};
static_assert(sizeof(PromptAttentionArgs) == 104, "the host writes this record");

namespace prompt {

DYNAMIC_SHARED(prompt_shared);

constexpr uint32_t COLUMNS = 16;

template <uint32_t D>
struct Shape {
  static constexpr uint32_t WARPS = D == 64 ? 4 : 8, THREADS = 32 * WARPS;
  static constexpr uint32_t SLICES = D / 64;              // of the dimensions, for scores
  static constexpr uint32_t KEYS = 16 * WARPS / SLICES;   // positions of a tile
  static constexpr uint32_t DIM_TILES = D / 16 / WARPS;   // of a warp, for outputs
  static constexpr uint32_t CHUNKS = D / 8;               // 16-byte pieces of a row
  static constexpr uint32_t UNIT_BYTES = KEYS * D * 2, UNITS = 4;
  static constexpr uint32_t PITCH = KEYS + 4;  // of a column's scores
  static constexpr uint32_t SCORES = UNITS * UNIT_BYTES;
  static constexpr uint32_t BYTES = SCORES + SLICES * COLUMNS * PITCH * 4;
  static_assert(BYTES <= 99 * 1024, "every device has this much");
};

template <uint32_t D>
struct Block {
  using S = Shape<D>;

  const PromptAttentionArgs& args;
  const uint32_t warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  uint32_t kv_head, first_head, first_token, tokens;  // tokens of the block
  uint32_t begin, end;  // positions that any of its columns sees
  float* const scores = reinterpret_cast<float*>(prompt_shared + S::SCORES);

  __device__ __forceinline__ explicit Block(const PromptAttentionArgs& args) : args(args) {
    const uint32_t shared = args.heads / args.kv_heads, parts = shared / args.at_once, most = COLUMNS / args.at_once;
    kv_head = blockIdx.y / parts;
    first_head = kv_head * shared + blockIdx.y % parts * args.at_once;
    // The last tokens, which have most to do, first.
    first_token = (gridDim.x - 1 - blockIdx.x) * most;
    tokens = args.tokens - first_token < most ? args.tokens - first_token : most;
    begin = sees_from(args.position + first_token);
    end = args.position + first_token + tokens;
  }

  // The first position that the token at `position` sees.
  __device__ __forceinline__ uint32_t sees_from(uint32_t position) const {
    return args.window != 0 && position + 1 > args.window ? position + 1 - args.window : 0;
  }
  __device__ __forceinline__ bool exists(uint32_t column) const { return column < tokens * args.at_once; }
  __device__ __forceinline__ uint32_t token(uint32_t column) const { return first_token + column / args.at_once; }
  __device__ __forceinline__ uint32_t head(uint32_t column) const { return first_head + column % args.at_once; }

  // Where a 16-byte piece of a row lies in its unit: rows that a load of matrices takes together differ in bank.
  static __device__ __forceinline__ uint32_t key_piece(uint32_t row, uint32_t chunk) { return row * D * 2 + (chunk ^ row % 8) * 16; }
  static __device__ __forceinline__ uint32_t value_piece(uint32_t row, uint32_t chunk) {
    return row * D * 2 + (chunk ^ (row % 2 | row / 4 % 4 * 2)) * 16;
  }
  static __device__ __forceinline__ uint32_t unit_start(uint32_t tile, uint32_t is_value) {
    return (tile % 2 * 2 + is_value) * S::UNIT_BYTES;
  }

  // Starts the copies of a tile's keys or values.
  __device__ __forceinline__ void start(uint32_t tile, uint32_t is_value) const {
    constexpr uint32_t PIECES = S::KEYS * S::CHUNKS / S::THREADS, ROWS_APART = S::THREADS / S::CHUNKS;
    const uint32_t chunk = threadIdx.x % S::CHUNKS;
    const uint32_t to = tile::shared_address(prompt_shared) + unit_start(tile, is_value);
    const __half* const own = (is_value ? args.values : args.keys) + static_cast<uint64_t>(kv_head) * args.batch * D;
    const __half* const cache = (is_value ? args.value_cache : args.key_cache) + static_cast<uint64_t>(kv_head) * args.capacity * D;
#pragma unroll 4
    for (uint32_t i = 0; i < PIECES; i++) {
      const uint32_t row = threadIdx.x / S::CHUNKS + i * ROWS_APART, position = tile * S::KEYS + row;
      const uint32_t at = to + (is_value ? value_piece(row, chunk) : key_piece(row, chunk));
      if (position < begin || position >= end) {
        tile::copy_zeros(at, own);
      } else if (position >= args.position) {
        tile::copy_async(at, own + static_cast<uint64_t>(position - args.position) * D + chunk * 8);
      } else {
        const uint32_t place = args.window == 0 ? position : position % args.capacity;
        tile::copy_async(at, cache + static_cast<uint64_t>(place) * D + chunk * 8);
      }
    }
  }

  // The warp's 64 dimensions of all queries: [8 columns][step of 16][upper, upper, lower, lower]; zero where there is none.
  uint32_t q[COLUMNS / 8][4][4];
  __device__ __forceinline__ void load_queries() {
#pragma unroll
    for (uint32_t c = 0; c < COLUMNS / 8; c++) {
      const uint32_t column = c * 8 + lane / 4;
      const uint64_t at = (static_cast<uint64_t>(token(column)) * args.heads + head(column)) * D;
      const uint32_t* const row = reinterpret_cast<const uint32_t*>(args.queries) + at;
#pragma unroll
      for (uint32_t step = 0; step < 4; step++) {
        const uint32_t word = warp % S::SLICES * 32 + step * 8 + lane % 4;
#pragma unroll
        for (uint32_t i = 0; i < 4; i++) q[c][step][i] = exists(column) ? __ldcg(row + i / 2 * (D / 2) + word + i % 2 * 4) : 0;
      }
    }
  }

  __device__ __forceinline__ void score(uint32_t tile) const {
    const uint32_t first = warp / S::SLICES * 16, slice = warp % S::SLICES, row = first + lane % 16;
    float upper[COLUMNS / 8][4] = {}, lower[COLUMNS / 8][4] = {};
#pragma unroll
    for (uint32_t step = 0; step < 4; step++) {
      uint32_t keys[4];
      const uint32_t from = unit_start(tile, 0) + key_piece(row, slice * 8 + step * 2 + lane / 16);
      tile::load_matrices(keys, tile::shared_address(prompt_shared) + from);
#pragma unroll
      for (uint32_t c = 0; c < COLUMNS / 8; c++) {
        tile::multiply_add(upper[c], keys, q[c][step][0], q[c][step][1]);
        tile::multiply_add(lower[c], keys, q[c][step][2], q[c][step][3]);
      }
    }
#pragma unroll
    for (uint32_t c = 0; c < COLUMNS / 8; c++) {
      float* const to = scores + (slice * COLUMNS + c * 8 + lane % 4 * 2) * S::PITCH + first + lane / 4;
      to[0] = upper[c][0] + lower[c][0];
      to[S::PITCH] = upper[c][1] + lower[c][1];
      to[8] = upper[c][2] + lower[c][2];
      to[S::PITCH + 8] = upper[c][3] + lower[c][3];
    }
  }

  // The running softmax of column lane / 4 (+ 8), the same in its 4 lanes except for the sum, of which each has its own part.
  float largest[COLUMNS / 8], sum[COLUMNS / 8];
  // Dimension lane / 4 (+ 8) of column lane % 4 * 2 (+ 1): element 2 * (+ 8) + (+ 1).
  float out[COLUMNS / 8][S::DIM_TILES][4];

  // Adds a tile. The bias lifts small weights out of the range where f16 is coarse; the sum carries it as well.
  __device__ __forceinline__ void add_tile(uint32_t tile, uint32_t c, float factor) {
    constexpr float WEIGHT_BIAS = 14;
    const uint32_t column = lane % 4, own = args.position + token(c * 8 + lane / 4), from = sees_from(own);
    float x[S::KEYS / 16][4];
    float most = largest[c];
#pragma unroll
    for (uint32_t k = 0; k < S::KEYS / 16; k++) {
      float4 score = make_float4(0, 0, 0, 0);
#pragma unroll
      for (uint32_t slice = 0; slice < S::SLICES; slice++) {
        const float* of_slice = scores + (slice * COLUMNS + c * 8 + lane / 4) * S::PITCH + 16 * k + 4 * column;
        const float4 part = *reinterpret_cast<const float4*>(of_slice);
        score = make_float4(score.x + part.x, score.y + part.y, score.z + part.z, score.w + part.w);
      }
      const float whole[4] = {score.x, score.y, score.z, score.w};
#pragma unroll
      for (uint32_t i = 0; i < 4; i++) {
        const uint32_t position = tile * S::KEYS + 16 * k + 4 * column + i;
        x[k][i] = position <= own && position >= from ? whole[i] * factor : -INFINITY;
        most = fmaxf(most, x[k][i]);
      }
    }
    most = fmaxf(most, __shfl_xor_sync(~0u, most, 1));
    most = fmaxf(most, __shfl_xor_sync(~0u, most, 2));
    // Nothing seen so far: whatever is subtracted, weights are zero.
    const float base = most == -INFINITY ? 0.0f : most;
    const float shrink = tile::power_of_two(largest[c] - base);
    largest[c] = most;
    sum[c] *= shrink;

    uint32_t upper_weights[S::KEYS / 16][2], lower_weights[S::KEYS / 16][2];
#pragma unroll
    for (uint32_t k = 0; k < S::KEYS / 16; k++) {
#pragma unroll
      for (uint32_t i = 0; i < 4; i++) {
        x[k][i] = tile::power_of_two(x[k][i] - base + WEIGHT_BIAS);
        sum[c] += x[k][i];
      }
      tile::split_halves(x[k][0], x[k][1], upper_weights[k][0], lower_weights[k][0]);
      tile::split_halves(x[k][2], x[k][3], upper_weights[k][1], lower_weights[k][1]);
    }
    const float even = __shfl_sync(~0u, shrink, static_cast<int>(8 * column)), odd = __shfl_sync(~0u, shrink, static_cast<int>(8 * column + 4));
#pragma unroll
    for (uint32_t d = 0; d < S::DIM_TILES; d++) {
      float upper[4] = {}, lower[4] = {};
#pragma unroll
      for (uint32_t k = 0; k < S::KEYS / 16; k++) {
        // A lane has 4 neighbouring weights, which the product takes as its columns 2c, 2c + 1, 2c + 8, 2c + 9; values
        // follow.
        const uint32_t row = 16 * k + lane % 8 / 2 * 4 + lane % 2 + lane / 16 * 2;
        uint32_t values[4];
        const uint32_t chunk = (warp * S::DIM_TILES + d) * 2 + lane / 8 % 2;
        tile::load_transposed(values, tile::shared_address(prompt_shared) + unit_start(tile, 1) + value_piece(row, chunk));
        tile::multiply_add(upper, values, upper_weights[k][0], upper_weights[k][1]);
        tile::multiply_add(lower, values, lower_weights[k][0], lower_weights[k][1]);
      }
#pragma unroll
      for (uint32_t i = 0; i < 4; i++) out[c][d][i] = out[c][d][i] * (i % 2 ? odd : even) + (upper[i] + lower[i]);
    }
  }

  __device__ __forceinline__ void store(uint32_t c) {
    float whole = sum[c];
    whole += __shfl_xor_sync(~0u, whole, 1);
    whole += __shfl_xor_sync(~0u, whole, 2);
#pragma unroll
    for (uint32_t i = 0; i < 2; i++) {
      const float total = __shfl_sync(~0u, whole, static_cast<int>(8 * (lane % 4) + 4 * i));
      const uint32_t column = c * 8 + lane % 4 * 2 + i;
      if (!exists(column)) continue;
      const uint64_t t = token(column), h = head(column);
      const uint32_t first = warp * S::DIM_TILES * 16 + lane / 4;
      float* const to = args.out + t * args.out_row + h * D + first;
      const float* const gate = args.gate ? args.gate + t * args.gate_row + h * args.gate_stride + first : nullptr;
#pragma unroll
      for (uint32_t d = 0; d < 2 * S::DIM_TILES; d++) {
        float x = out[c][d / 2][d % 2 * 2 + i] / total;
        if (gate) x *= 1.0f / (1.0f + expf(-__ldcg(gate + 8 * d)));
        to[8 * d] = x;
      }
    }
  }
};

template <uint32_t D>
__device__ __forceinline__ void attend(const PromptAttentionArgs& args) {
  using S = Shape<D>;
  Block<D> block(args);
  const uint32_t first = block.begin / S::KEYS, last = (block.end - 1) / S::KEYS;
  block.start(first, 0);
  tile::end_copies();
  block.start(first, 1);
  tile::end_copies();
  block.load_queries();
#pragma unroll
  for (uint32_t c = 0; c < COLUMNS / 8; c++) {
    block.largest[c] = -INFINITY;
    block.sum[c] = 0;
#pragma unroll
    for (uint32_t d = 0; d < S::DIM_TILES; d++) {
#pragma unroll
      for (uint32_t i = 0; i < 4; i++) block.out[c][d][i] = 0;
    }
  }
  const float factor = args.scale * 1.4426950408889634f;
#pragma unroll 1
  for (uint32_t t = first; t <= last; t++) {
    tile::wait_copies<1>();
    __syncthreads();
    // The tile in front is done with.
    if (t < last) block.start(t + 1, 0);
    tile::end_copies();
    block.score(t);
    tile::wait_copies<1>();
    __syncthreads();
    if (t < last) block.start(t + 1, 1);
    tile::end_copies();
#pragma unroll
    for (uint32_t c = 0; c < COLUMNS / 8; c++) block.add_tile(t, c, factor);
  }
#pragma unroll
  for (uint32_t c = 0; c < COLUMNS / 8; c++) block.store(c);
}

}  // namespace prompt

#define ATTENTION(DIM)                                                                                     \
  extern "C" __global__ void __launch_bounds__(prompt::Shape<DIM>::THREADS, 2)                             \
      prefill_attention_##DIM(const __grid_constant__ PromptAttentionArgs args) {                          \
    prompt::attend<DIM>(args);                                                                             \
  }
ATTENTION(64)
ATTENTION(128)
ATTENTION(256)
ATTENTION(512)
#undef ATTENTION
