// The router's choice: the experts with the largest logits, of equals the lower number, and weights that sum to one.
// A softmax over all experts followed by a division by the sum over those chosen is a softmax over those chosen.
#pragma once
#include <cstdint>

#include "head.cuh"
#include "vector.cuh"

constexpr int EXPERTS_PER_LANE = 16;
constexpr uint32_t MOST_USED = 32;

// One whole warp: ids and weights to `ids` and `weights` [used], used <= 32, experts <= 512. `scale` [experts] or null.
__device__ __forceinline__ void choose_experts(const float* logits, uint32_t experts, uint32_t used, const float* scale,
                                               uint32_t* ids, float* weights) {
  const uint32_t lane = threadIdx.x % 32;
  uint32_t key[EXPERTS_PER_LANE];
#pragma unroll
  for (int i = 0; i < EXPERTS_PER_LANE; i++) {
    const uint32_t expert = lane + 32 * i;
    key[i] = 0;
    // Every number's key is larger than 0, that of one already chosen.
    if (expert < experts) key[i] = max(1u, ordered(__ldcg(logits + expert)));
  }
  uint32_t my_id = 0, my_key = 0;
  for (uint32_t n = 0; n < used; n++) {
    uint32_t largest = 0, at = 0;
#pragma unroll
    for (int i = 0; i < EXPERTS_PER_LANE; i++) {
      if (key[i] > largest) largest = key[i], at = i;
    }
    const uint32_t most = __reduce_max_sync(~0u, largest);
    const uint32_t expert = __reduce_min_sync(~0u, largest == most ? lane + 32 * at : ~0u);
#pragma unroll
    for (int i = 0; i < EXPERTS_PER_LANE; i++) {
      if (expert == lane + 32 * i) key[i] = 0;
    }
    if (lane == n) my_id = expert, my_key = most;
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
