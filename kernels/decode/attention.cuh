// What the two kernels of decode attention share: their arguments, how positions are dealt to blocks, and where a block
// leaves its part of the result.
#pragma once
#include <cuda_fp16.h>

#include <cstdint>

#include "token.cuh"

struct AttentionArgs {
  const Token* token;
  const float* query;        // head h at query + h * query_stride; 8-byte aligned
  const float* key;          // [kv_heads][head_dim], before norm and rotation
  const float* value;        // [kv_heads][head_dim]; may be `key`
  const float* query_norm;   // [head_dim]
  const float* key_norm;     // [head_dim]
  const double* frequency;   // [rotary / 2] radians per position
  __half* keys;              // [kv_heads][capacity][head_dim], position p at p % capacity; 16-byte aligned
  __half* values;            // the same
  float* partial;            // see Partial
  float* out;                // [heads][head_dim], joined of at most 32 splits; null: attention_combine joins them
  uint32_t* arrivals;        // [heads / H], 0 between launches; where there is `out`
  const float* gate;         // head h at gate + h * gate_stride, or null; where there is `out`
  uint32_t query_stride;     // even
  uint32_t heads;
  uint32_t kv_heads;
  uint32_t rotary;           // even, at most head_dim
  uint32_t window;           // positions seen, the token's own included; 0: all
  uint32_t capacity;         // at least the positions seen
  uint32_t splits;           // blocks with work
  uint32_t value_norm;       // 1: values are divided by their root mean square
  float scale;
  float epsilon;
  uint32_t gate_stride;
  uint32_t unused;
};
static_assert(sizeof(AttentionArgs) == 152, "the host writes this record");

struct CombineArgs {
  const Token* token;
  const float* partial;
  const float* gate;  // head h at gate + h * gate_stride, or null
  float* out;         // [heads][head_dim]
  uint32_t gate_stride;
  uint32_t heads;
  uint32_t head_dim;  // a multiple of 64
  uint32_t splits;    // of the attention
  uint32_t window;
  uint32_t pad;
};
static_assert(sizeof(CombineArgs) == 56, "the host writes this record");

namespace attention {

__device__ __forceinline__ float opened(float gate) { return __fdividef(1.0f, 1.0f + __expf(-gate)); }

// Fewer would cost the combination more than they save the attention.
constexpr uint32_t POSITIONS_PER_SPLIT = 32;

// Positions that the token at `position` sees: 1 or more, except for the position before the first.
__device__ __forceinline__ uint32_t seen_positions(uint32_t position, uint32_t window) {
  const uint32_t all = position + 1;
  return window != 0 && all > window ? window : all;
}

// Splits that have work; the others leave nothing.
__device__ __forceinline__ uint32_t active_splits(uint32_t seen, uint32_t splits) {
  const uint32_t useful = seen / POSITIONS_PER_SPLIT + (seen % POSITIONS_PER_SPLIT != 0);
  return useful == 0 ? 1 : useful < splits ? useful : splits;
}

// The whole buffer of results: first the unnormalised outputs [heads][splits][head_dim], then for each
// [heads][splits] the largest score (in powers of two) and the sum of weights.
struct Partial {
  uint32_t heads, splits, head_dim;
  __device__ __forceinline__ uint64_t output(uint32_t head, uint32_t split) const {
    return (static_cast<uint64_t>(head) * splits + split) * head_dim;
  }
  __device__ __forceinline__ uint64_t weights(uint32_t head, uint32_t split) const {
    return output(heads, 0) + 2 * (static_cast<uint64_t>(head) * splits + split);
  }
};

}  // namespace attention
