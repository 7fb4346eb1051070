// Softmax attention of one token over cached f16 keys and values, split over blocks by position. Few splits are joined by
// the block that is done last, many by attention_combine.
//
// Grid of at least splits * kv_heads * groups: a block serves the H query heads of one group (groups = heads / kv_heads / H)
// over the positions of its split. Block 256 threads (128 for heads of 64); dynamic shared memory Shape<D>::SHARED_BYTES.
// A tile is KEYS positions. Keys and values stream through a ring of UNITS units (the keys, then the values of a tile),
// so 2 to 4 units are under way at any time. Two barriers a tile:
//   - scores = K * Q^T on tensor cores, a warp 16 positions x 64 dimensions; positions are rows, heads the 8 columns,
//     so 1 head costs what 8 cost, and a key is read once for all;
//   - each warp adds up the slices of all scores, takes the softmax of the tile for itself, and computes its own share
//     of the dimensions of V^T * P^T, so no outputs need joining inside of the block.
// Products are as good as f32: queries and weights go in as two f16 (high and low part), and what a tile adds is summed
// outside of the tensor cores, whose sums round towards zero.
// Invariants: the row of the token itself is written by the last active split (of group 0) and read from global memory
// by none. The position read before the wait is a guess that steers copies of past positions and the angles; it is
// checked behind the wait, and a wrong one (the first layers after the token changed) costs a second start. A right one
// proves that the past rows are complete: the position is stored behind a wait for all of the token before.

#include "attention.cuh"
#include "attention_finish.cuh"
#include "attention_heads.cuh"
#include "memory_access.cuh"
#include "ordering.cuh"
#include "tile.cuh"

namespace attention {

DYNAMIC_SHARED(attention_shared);

template <uint32_t D, uint32_t H>
struct Block {
  using S = Shape<D>;
  // Where a thread would join more than two numbers.
  static constexpr uint32_t ALONE = H * D / 2 > S::THREADS ? 128 : 0;
  static constexpr uint32_t JOBS = (H + 2 + S::WARPS - 1) / S::WARPS;  // heads that a warp prepares at most

  const AttentionArgs& args;
  const uint32_t warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const uint32_t ring = tile::shared_address(attention_shared);
  const uint32_t split, group;
  const uint32_t groups, kv_head;
  const uint64_t cache_row;  // first row of the head's cache
  float* const scores = reinterpret_cast<float*>(attention_shared + S::SCORES);
  __half* const new_rows = reinterpret_cast<__half*>(attention_shared + S::NEW_ROWS);
  float* const whole = reinterpret_cast<float*>(attention_shared);  // see keep
  float2* const turns = reinterpret_cast<float2*>(attention_shared + S::TURNS);

  __device__ __forceinline__ Block(const AttentionArgs& args)
      : args(args),
        split(blockIdx.x / (args.heads / H)),
        group(blockIdx.x % (args.heads / H)),
        groups(args.heads / H / args.kv_heads),
        kv_head(group / groups),
        cache_row(static_cast<uint64_t>(kv_head) * args.capacity) {}

  // Where a 16-byte piece of a row lies in its unit: rows that a load of matrices takes together differ in bank.
  static __device__ __forceinline__ uint32_t key_piece(uint32_t row, uint32_t chunk) {
    return row * D * 2 + (chunk ^ row % 8) * 16;
  }
  static __device__ __forceinline__ uint32_t value_piece(uint32_t row, uint32_t chunk) {
    return row * D * 2 + (chunk ^ (row % 2 | row / 4 % 4 * 2)) * 16;
  }
  static __device__ __forceinline__ uint32_t unit_start(uint32_t unit) { return unit % S::UNITS * S::UNIT_BYTES; }

  // Starts the copies of a unit; one group, with or without copies. Rows behind the span become zero.
  __device__ __forceinline__ void start_unit(const Span& span, uint32_t unit) const {
    constexpr uint32_t PIECES = S::KEYS * S::CHUNKS / S::THREADS, ROWS_APART = S::THREADS / S::CHUNKS;
    const uint32_t start = unit / 2 * S::KEYS, is_value = unit % 2;
    if (start < span.count) {
      const uint32_t chunk = threadIdx.x % S::CHUNKS, own_row = threadIdx.x / S::CHUNKS;
      const uint4* from = reinterpret_cast<const uint4*>(is_value ? args.values : args.keys) + cache_row * S::CHUNKS;
      const uint32_t past = span.count - span.last, first = span.row(start, args.capacity);
      const uint32_t slot = ring + unit_start(unit);
      if (start + S::KEYS <= past && first + S::KEYS <= args.capacity) {
        from += static_cast<uint64_t>(first) * S::CHUNKS + threadIdx.x;
#pragma unroll
        for (uint32_t i = 0; i < PIECES; i++) {
          const uint32_t row = own_row + i * ROWS_APART;
          tile::copy_async(slot + (is_value ? value_piece(row, chunk) : key_piece(row, chunk)), from + i * S::THREADS);
        }
      } else {
#pragma unroll 1
        for (uint32_t i = 0; i < PIECES; i++) {
          const uint32_t row = own_row + i * ROWS_APART, offset = start + row;
          const uint32_t to = slot + (is_value ? value_piece(row, chunk) : key_piece(row, chunk));
          // The token's own row comes from this block.
          if (offset < past) {
            tile::copy_async(to, from + static_cast<uint64_t>(span.row(offset, args.capacity)) * S::CHUNKS + chunk);
          } else if (offset >= span.count) {
            tile::copy_zeros(to, from);
          }
        }
      }
    }
    tile::end_copies();
  }

  __device__ __forceinline__ void start_units(const Span& span, uint32_t first, uint32_t end) const {
    // One copy of the code: a token's kernels share the instruction cache.
#pragma unroll 1
    for (uint32_t unit = first; unit < end; unit++) start_unit(span, unit);
  }

  // What needs no more than a position: may run before the wait, on a guess.
  __device__ __forceinline__ void start(const Span& span, uint32_t position) const {
    start_units(span, 0, S::UNITS - 1);
    if (span.active) fill_turns(turns, args.frequency, args.rotary / 2, position);
  }

  // Norm and rotation of head `job`: queries first, then the key and the value, which only the last split has.
  __device__ __forceinline__ void prepare(Head<D>& head, uint32_t job, uint32_t position) const {
    if (job < H) {
      uint32_t* row = reinterpret_cast<uint32_t*>(attention_shared + S::QUERIES) + job * D;
      head.normalise(args.epsilon);
      head.rotate(reinterpret_cast<float*>(row), Rotation{turns, args.rotary});
#pragma unroll
      for (uint32_t j = 0; j < Head<D>::PAIRS; j++) {
        const uint32_t word = (32 * j + lane) ^ job << 2;
        tile::split_halves(head.x[j].x, head.x[j].y, row[word], row[D / 2 + word]);
      }
      return;
    }
    const bool is_value = job > H;
    if (!is_value || args.value_norm) head.normalise(args.epsilon);
    if (!is_value) head.rotate(scores, Rotation{turns, args.rotary});
    __half2* const row = reinterpret_cast<__half2*>(new_rows + is_value * D);
#pragma unroll
    for (uint32_t j = 0; j < Head<D>::PAIRS; j++) row[32 * j + lane] = __floats2half2_rn(head.x[j].x, head.x[j].y);
    __syncwarp();
    if (group != kv_head * groups) return;
    uint4* const cache = reinterpret_cast<uint4*>(is_value ? args.values : args.keys);
    uint4* const to = cache + (cache_row + position % args.capacity) * S::CHUNKS;
    for (uint32_t chunk = lane; chunk < S::CHUNKS; chunk += 32) to[chunk] = reinterpret_cast<const uint4*>(row)[chunk];
  }

  __device__ __forceinline__ const float* norm(uint32_t job) const {
    return job < H ? args.query_norm : job == H ? args.key_norm : nullptr;
  }
  __device__ __forceinline__ const float* source(uint32_t job) const {
    if (job < H) return args.query + static_cast<uint64_t>(group * H + job) * args.query_stride;
    return (job == H ? args.key : args.value) + kv_head * D;
  }

  // Puts the token's own key or value into its unit; the warp that made the row calls it.
  __device__ __forceinline__ void place_new_row(uint32_t unit, uint32_t row) const {
    const uint32_t is_value = unit % 2;
    const uint4* from = reinterpret_cast<const uint4*>(new_rows + is_value * D);
    for (uint32_t chunk = lane; chunk < S::CHUNKS; chunk += 32) {
      const uint32_t at = unit_start(unit) + (is_value ? value_piece(row, chunk) : key_piece(row, chunk));
      *reinterpret_cast<uint4*>(attention_shared + at) = from[chunk];
    }
  }

  // The warp's 64 dimensions of all queries: [step of 16][high, high, low, low]; columns without a head are zero.
  __device__ __forceinline__ void load_queries(uint32_t (&q)[4][4]) const {
    const uint32_t head = lane / 4;
    const uint32_t* row = reinterpret_cast<const uint32_t*>(attention_shared + S::QUERIES) + head * D;
#pragma unroll
    for (uint32_t step = 0; step < 4; step++) {
      const uint32_t word = warp % S::SLICES * 32 + step * 8 + lane % 4;
#pragma unroll
      for (uint32_t i = 0; i < 4; i++) {
        q[step][i] = head < H ? row[i / 2 * (D / 2) + ((word + i % 2 * 4) ^ head << 2)] : 0;
      }
    }
  }

  __device__ __forceinline__ void score(uint32_t unit, const uint32_t (&q)[4][4]) const {
    const uint32_t first = warp / S::SLICES * 16, slice = warp % S::SLICES, row = first + lane % 16;
    float high[4] = {}, low[4] = {};
#pragma unroll
    for (uint32_t step = 0; step < 4; step++) {
      uint32_t keys[4];
      tile::load_matrices(keys, ring + unit_start(unit) + key_piece(row, slice * 8 + step * 2 + lane / 16));
      tile::multiply_add(high, keys, q[step][0], q[step][1]);
      tile::multiply_add(low, keys, q[step][2], q[step][3]);
    }
    float* to = scores + (slice * 8 + lane % 4 * 2) * S::PITCH + first + lane / 4;
    to[0] = high[0] + low[0];
    to[S::PITCH] = high[1] + low[1];
    to[8] = high[2] + low[2];
    to[S::PITCH + 8] = high[3] + low[3];
  }

  // The running softmax of head lane / 4, the same in its 4 lanes except for the sum, of which each has its own part.
  float largest = -INFINITY, sum = 0;
  // Dimension lane / 4 (+ 8) of head lane % 4 * 2 (+ 1): element 2 * (+ 8) + (+ 1).
  float out[S::DIM_TILES][4] = {};

  // Adds a tile of which `valid` positions count. The bias lifts small weights out of the range where f16 is
  // coarse; the sum carries it as well.
  __device__ __forceinline__ void add_tile(uint32_t unit, uint32_t valid, float factor) {
    constexpr float WEIGHT_BIAS = 14;
    const uint32_t head = lane / 4, column = lane % 4;
    float x[S::KEYS / 16][4];
    float most = largest;
#pragma unroll
    for (uint32_t k = 0; k < S::KEYS / 16; k++) {
      float4 score = make_float4(0, 0, 0, 0);
#pragma unroll
      for (uint32_t slice = 0; slice < S::SLICES; slice++) {
        const float* of_slice = scores + (slice * 8 + head) * S::PITCH + 16 * k + 4 * column;
        const float4 part = *reinterpret_cast<const float4*>(of_slice);
        score = make_float4(score.x + part.x, score.y + part.y, score.z + part.z, score.w + part.w);
      }
      const float whole[4] = {score.x, score.y, score.z, score.w};
#pragma unroll
      for (uint32_t i = 0; i < 4; i++) {
        x[k][i] = 16 * k + 4 * column + i < valid ? whole[i] * factor : -INFINITY;
        most = fmaxf(most, x[k][i]);
      }
    }
    most = fmaxf(most, __shfl_xor_sync(~0u, most, 1));
    most = fmaxf(most, __shfl_xor_sync(~0u, most, 2));
    const float shrink = tile::power_of_two(largest - most);
    largest = most;
    sum *= shrink;

    float high[S::DIM_TILES][4] = {}, low[S::DIM_TILES][4] = {};
#pragma unroll
    for (uint32_t k = 0; k < S::KEYS / 16; k++) {
#pragma unroll
      for (uint32_t i = 0; i < 4; i++) {
        x[k][i] = tile::power_of_two(x[k][i] - most + WEIGHT_BIAS);
        sum += x[k][i];
      }
      uint32_t high_weights[2], low_weights[2];
      tile::split_halves(x[k][0], x[k][1], high_weights[0], low_weights[0]);
      tile::split_halves(x[k][2], x[k][3], high_weights[1], low_weights[1]);
      // A lane has 4 neighbouring weights, which the product takes as its columns 2c, 2c + 1, 2c + 8, 2c + 9; values
      // follow.
      const uint32_t row = 16 * k + lane % 8 / 2 * 4 + lane % 2 + lane / 16 * 2;
#pragma unroll
      for (uint32_t d = 0; d < S::DIM_TILES; d++) {
        uint32_t values[4];
        const uint32_t chunk = (warp * S::DIM_TILES + d) * 2 + lane / 8 % 2;
        tile::load_transposed(values, ring + unit_start(unit) + value_piece(row, chunk));
        tile::multiply_add(high[d], values, high_weights[0], high_weights[1]);
        tile::multiply_add(low[d], values, low_weights[0], low_weights[1]);
      }
    }
    const float even = __shfl_sync(~0u, shrink, 8 * column), odd = __shfl_sync(~0u, shrink, 8 * column + 4);
#pragma unroll
    for (uint32_t d = 0; d < S::DIM_TILES; d++) {
#pragma unroll
      for (uint32_t i = 0; i < 4; i++) out[d][i] = out[d][i] * (i % 2 ? odd : even) + (high[d][i] + low[d][i]);
    }
  }

  // Normalised outputs [H][D] to where the first tiles were: the only split is the whole result.
  __device__ __forceinline__ void keep() {
    sum += __shfl_xor_sync(~0u, sum, 1);
    sum += __shfl_xor_sync(~0u, sum, 2);
    // Other warps may still be at the last tile.
    __syncthreads();
#pragma unroll
    for (uint32_t i = 0; i < 2; i++) {
      const uint32_t head = lane % 4 * 2 + i;
      const float factor = __fdividef(1.0f, __shfl_sync(~0u, sum, lane % 4 * 8 + i * 4));
      if (head >= H) continue;
      float* const to = whole + head * D + warp * S::DIM_TILES * 16 + lane / 4;
#pragma unroll
      for (uint32_t d = 0; d < 2 * S::DIM_TILES; d++) to[8 * d] = out[d / 2][d % 2 * 2 + i] * factor;
    }
    __syncthreads();
  }

  // What is to be joined.
  __device__ __forceinline__ void store() {
    const Partial partial{args.heads, args.splits, D};
    const uint32_t first_head = group * H;
    sum += __shfl_xor_sync(~0u, sum, 1);
    sum += __shfl_xor_sync(~0u, sum, 2);
    if (warp == 0 && lane % 4 == 0 && lane / 4 < H) {
      float2* to = reinterpret_cast<float2*>(args.partial + partial.weights(first_head + lane / 4, split));
      *to = make_float2(largest, sum);
    }
#pragma unroll
    for (uint32_t i = 0; i < 2; i++) {
      const uint32_t head = lane % 4 * 2 + i;
      if (head >= H) continue;
      float* to = args.partial + partial.output(first_head + head, split) + warp * S::DIM_TILES * 16 + lane / 4;
#pragma unroll
      for (uint32_t d = 0; d < 2 * S::DIM_TILES; d++) to[8 * d] = out[d / 2][d % 2 * 2 + i];
    }
  }
};

template <uint32_t D, uint32_t H>
__device__ __forceinline__ void attend(const AttentionArgs& args) {
  using S = Shape<D>;
  __shared__ uint32_t guess;
  if (blockIdx.x >= args.splits * (args.heads / H)) return stand_by();
  Block<D, H> block(args);
  launch_next_grid();
  if (threadIdx.x == 0) guess = tile::load_acquire(&args.token->position);
  Head<D> heads[Block<D, H>::JOBS];
#pragma unroll
  for (uint32_t i = 0; i < Block<D, H>::JOBS; i++) {
    const uint32_t job = i * S::WARPS + block.warp;
    if (job < H + 2) heads[i].load_weight(block.norm(job));
  }
  __syncthreads();
  uint32_t position = guess;
  Span span(args, block.split, position, Block<D, H>::ALONE);
  bool waited = false;
#pragma unroll 1
  while (true) {
    block.start(span, position);
    __syncthreads();
    if (waited) break;
    wait_for_previous_grid();
    waited = true;
    const uint32_t guessed = position;
    position = tile::load_relaxed(&args.token->position);
#pragma unroll
    for (uint32_t i = 0; i < Block<D, H>::JOBS; i++) {
      const uint32_t job = i * S::WARPS + block.warp;
      if (job < H + 2) heads[i].load(block.source(job));
    }
    if (position == guessed) break;
    tile::wait_copies<0>();
    __syncthreads();
    span = Span(args, block.split, position, Block<D, H>::ALONE);
  }
  if (!span.active) return;
#pragma unroll
  for (uint32_t i = 0; i < Block<D, H>::JOBS; i++) {
    const uint32_t job = i * S::WARPS + block.warp;
    if (job < (span.last ? H + 2 : H)) block.prepare(heads[i], job, position);
  }

  const float factor = args.scale * 1.4426950408889634f;
  const uint32_t tiles = (span.count + S::KEYS - 1) / S::KEYS, new_row = (span.count - 1) % S::KEYS;
  uint32_t queries[4][4];
  for (uint32_t t = 0; t < tiles; t++) {
    const bool has_new = span.last && t + 1 == tiles;
    tile::wait_copies<3>();
    if (has_new && block.warp == H % S::WARPS) block.place_new_row(2 * t, new_row);
    __syncthreads();
    if (t == 0) block.load_queries(queries);
    block.score(2 * t, queries);
    tile::wait_copies<2>();
    if (has_new && block.warp == (H + 1) % S::WARPS) block.place_new_row(2 * t + 1, new_row);
    __syncthreads();
    block.start_units(span, 2 * t + 4, 2 * t + 6);
    block.add_tile(2 * t + 1, span.count - t * S::KEYS, factor);
  }
  if (args.out && span.splits == 1) {
    block.keep();
  } else {
    block.store();
    if (!args.out || !is_last(args, block.group, span.splits)) return;
  }
  finish<D, H>(args, block.group, span.splits, block.whole);
}

}  // namespace attention

#define ATTENTION(DIM, HEADS)                                                     \
  extern "C" __global__ void __launch_bounds__(attention::Shape<DIM>::THREADS, 2) \
      attention_##DIM##x##HEADS(const __grid_constant__ AttentionArgs args) {     \
    attention::attend<DIM, HEADS>(args);                                          \
  }
#define ATTENTION_OF(DIM) ATTENTION(DIM, 1) ATTENTION(DIM, 2) ATTENTION(DIM, 4) ATTENTION(DIM, 8)
ATTENTION_OF(64)
ATTENTION_OF(128)
ATTENTION_OF(256)
ATTENTION_OF(512)
#undef ATTENTION_OF
#undef ATTENTION
