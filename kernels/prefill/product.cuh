// What the products of a batch share: their arguments, which rows and which vectors a block takes, what becomes of the sums.
//
// A product is of one matrix with all rows of a batch, or of the experts' matrices, each with the vectors that chose it: then
// `list` names them, `counts[e]` of expert e from list + e * capacity on. An entry is its output's row, and its vector's after
// a division by `divide`.
#pragma once
#include "decode/vector.cuh"

enum ProductMode : uint32_t {
  PRODUCT_STORE = 0,
  PRODUCT_ADD = 1,
  PRODUCT_SILU = 2,  // silu(matrix row) * (up row)
  PRODUCT_GELU = 3,
};

struct ProductArgs {
  Matrix matrix;
  Matrix up;  // of the same type and shape, of a pair that is not fused
  const uint8_t* quants;  // as prefill_vectors leaves them
  const float2* factors;
  const float* values;
  float* out;
  const uint32_t* list;  // null: all vectors
  const uint32_t* counts;
  uint32_t rows;  // of an expert; of a pair those of one projection
  uint32_t tokens;
  uint32_t mode;
  uint32_t out_stride;
  uint32_t experts;
  uint32_t capacity;
  uint32_t divide;
  uint32_t fused;  // 1: each expert's gate rows, then its up rows, in `matrix`
};
static_assert(sizeof(ProductArgs) == 160, "the host writes this record");

// Groups' factors of a vector, up to whole steps of four groups.
__device__ __forceinline__ uint32_t factor_stride(uint32_t columns) { return (columns + 127) / 128 * 4; }

constexpr uint32_t NO_ROW = ~0u;

// Of all vectors up to TOKENS; grid (tiles of vectors, tiles of rows), of experts (tiles of rows, tiles of vectors).
template <uint32_t TOKENS>
struct Tile {
  uint32_t rows;    // which tile of rows
  uint32_t expert;
  uint32_t first;   // of the expert's vectors, or of all
  uint32_t count;   // 0: there is no such tile

  __device__ __forceinline__ explicit Tile(const ProductArgs& args) : rows(blockIdx.y), expert(0), first(blockIdx.x * TOKENS), count(0) {
    if (!args.list) {
      count = min(args.tokens - first, TOKENS);
      return;
    }
    // Number blockIdx.y of the tiles of all experts: lanes count those of neighbouring experts each.
    rows = blockIdx.x;
    const uint32_t lane = threadIdx.x % 32, each = (args.experts + 31) / 32, begin = min(lane * each, args.experts);
    const uint32_t end = min(begin + each, args.experts);
    auto tiles_of = [&](uint32_t e) { return (__ldcg(args.counts + e) + TOKENS - 1) / TOKENS; };
    uint32_t own = 0;
    for (uint32_t e = begin; e < end; e++) own += tiles_of(e);
    uint32_t before = own;
#pragma unroll
    for (uint32_t offset = 1; offset < 32; offset *= 2) {
      const uint32_t other = __shfl_sync(~0u, before, static_cast<int>((lane - offset) % 32));
      if (lane >= offset) before += other;
    }
    before -= own;
    uint32_t found = 0, at = 0, left = 0;
    if (blockIdx.y >= before && blockIdx.y < before + own) {
      at = blockIdx.y - before;
      found = begin;
      while (at >= tiles_of(found)) at -= tiles_of(found++);
      left = __ldcg(args.counts + found) - at * TOKENS;
    }
    expert = __reduce_max_sync(~0u, found);
    first = __reduce_max_sync(~0u, at) * TOKENS;
    count = min(__reduce_max_sync(~0u, left), TOKENS);
  }
  // The output's row of vector `i` of the tile.
  __device__ __forceinline__ uint32_t entry(const ProductArgs& args, uint32_t i) const {
    if (i >= count) return NO_ROW;
    return args.list ? __ldcg(args.list + static_cast<uint64_t>(expert) * args.capacity + first + i) : first + i;
  }
};

__device__ __forceinline__ bool is_pair(const ProductArgs& args) { return args.mode >= PRODUCT_SILU; }

// The first row of `row` in its matrix; of a pair (second) that of the up projection.
__device__ __forceinline__ uint64_t matrix_row(const ProductArgs& args, uint32_t expert, uint32_t row, bool second) {
  const uint64_t of_expert = static_cast<uint64_t>(expert) * args.rows;
  return args.fused ? 2 * of_expert + (second ? args.rows : 0) + row : of_expert + row;
}

__device__ __forceinline__ float gated(const ProductArgs& args, float gate, float up) {
  return (args.mode == PRODUCT_SILU ? silu(gate) : gelu_tanh(gate)) * up;
}

__device__ __forceinline__ void put_sum(const ProductArgs& args, uint32_t entry, uint32_t row, float sum) {
  float* const to = args.out + static_cast<uint64_t>(entry) * args.out_stride + row;
  *to = args.mode == PRODUCT_ADD ? __ldcg(to) + sum : sum;
}
