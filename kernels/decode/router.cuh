// The router's choice: the experts with the largest logits, of equals the lower number, and weights that sum to one.
// A softmax over all experts followed by a division by the sum over those chosen is a softmax over those chosen.
#pragma once
#include <cstdint>

#include "head.cuh"
#include "vector.cuh"

constexpr uint32_t MOST_USED = 32;

// The keys of the `used` largest of `experts` logits, of lane n the n-th and its number.
template <int EACH>
__device__ __forceinline__ void choose_largest(const float* logits, uint32_t experts, uint32_t used, uint32_t& my_id,
                                               uint32_t& my_key) {
  const uint32_t lane = threadIdx.x % 32;
  uint32_t key[EACH];
#pragma unroll
  for (int i = 0; i < EACH; i++) {
    const uint32_t expert = lane + 32 * i;
    key[i] = 0;
    // Every number's key is larger than 0, that of one already chosen.
    if (expert < experts) key[i] = max(1u, ordered(__ldcg(logits + expert)));
  }
  for (uint32_t n = 0; n < used; n++) {
    // As a tree: a chain of comparisons would be most of the time.
    uint32_t largest[EACH];
#pragma unroll
    for (int i = 0; i < EACH; i++) largest[i] = key[i];
#pragma unroll
    for (int width = EACH / 2; width > 0; width /= 2) {
#pragma unroll
      for (int i = 0; i < width; i++) largest[i] = max(largest[i], largest[i + width]);
    }
    const uint32_t most = __reduce_max_sync(~0u, largest[0]);
    uint32_t found[EACH];
#pragma unroll
    for (int i = 0; i < EACH; i++) found[i] = key[i] == most ? lane + 32 * i : ~0u;
#pragma unroll
    for (int width = EACH / 2; width > 0; width /= 2) {
#pragma unroll
      for (int i = 0; i < width; i++) found[i] = min(found[i], found[i + width]);
    }
    const uint32_t expert = __reduce_min_sync(~0u, found[0]);
#pragma unroll
    for (int i = 0; i < EACH; i++) {
      if (expert == lane + 32 * i) key[i] = 0;
    }
    if (lane == n) my_id = expert, my_key = most;
  }
}

// One whole warp: ids and weights to `ids` and `weights` [used], used <= 32, experts <= 512. `scale` [experts] or null.
__device__ __forceinline__ void choose_experts(const float* logits, uint32_t experts, uint32_t used, const float* scale,
                                               uint32_t* ids, float* weights) {
  const uint32_t lane = threadIdx.x % 32;
  uint32_t my_id = 0, my_key = 0;
  if (experts <= 128) {
    choose_largest<4>(logits, experts, used, my_id, my_key);
  } else if (experts <= 256) {
    choose_largest<8>(logits, experts, used, my_id, my_key);
  } else {
    choose_largest<16>(logits, experts, used, my_id, my_key);
  }
  const float logit = __uint_as_float(my_key & 0x80000000u ? my_key ^ 0x80000000u : ~my_key);
  const float most = __shfl_sync(~0u, logit, 0);
  const float share = lane < used ? expf(logit - most) : 0.0f;
  const float total = warp_sum(share);
  if (lane < used) {
    ids[lane] = my_id;
    weights[lane] = share / total * (scale ? __ldg(scale + my_id) : 1.0f);
  }
}
