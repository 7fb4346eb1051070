// Reads the weights of the experts that a router chose: ids are in device memory, the sum of the last byte's block ends it.
// Layout: up to three tensors, expert e of tensor t at base[t] + e * units[t] (16-byte units; units 0 = tensor absent).
// The chosen experts' slices form one sequence (expert by expert, tensor by tensor) which is cut into gridDim.x equal parts,
// one per block. Writes the 64-bit sum of its words to out[blockIdx.x]. used <= 16, and the sequence has fewer than 2^32
// units. Bytes moved: 16 * used * (units[0] + units[1] + units[2]).

#include "memory_access.cuh"

constexpr int MOST_EXPERTS = 16;

extern "C" __global__ void __launch_bounds__(512, 2) expert_fetch(const uint4* base0, const uint4* base1, const uint4* base2,
                                                               uint32_t units0, uint32_t units1, uint32_t units2,
                                                               const uint32_t* ids, uint32_t used, uint64_t* out) {
  // All ids at once: one latency, not one per expert.
  __shared__ uint32_t chosen[MOST_EXPERTS];
  if (threadIdx.x < used) chosen[threadIdx.x] = ids[threadIdx.x];
  __syncthreads();
  const uint32_t expert_units = units0 + units1 + units2;
  const uint32_t total = expert_units * used;
  const uint32_t share = (total + gridDim.x - 1) / gridDim.x;
  const uint32_t begin = min(total, share * blockIdx.x), end = min(total, begin + share);
  uint64_t sum = 0;
  for (uint32_t n = begin / expert_units; n * expert_units < end; n++) {
    uint32_t segment = n * expert_units;
    auto part = [&](const uint4* base, uint32_t units) {
      const uint32_t low = max(begin, segment), high = min(end, segment + units);
      if (low < high) {
        const uint4* from = base + static_cast<uint64_t>(chosen[n]) * units + (low - segment);
        sum += strided_sum<8>(threadIdx.x, blockDim.x, high - low, [=](uint32_t i) { return from + i; });
      }
      segment += units;
    };
    part(base0, units0);
    part(base1, units1);
    part(base2, units2);
  }
  store_block_sum(sum, out + blockIdx.x);
}
