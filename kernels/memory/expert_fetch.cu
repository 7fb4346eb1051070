// Reads the weights of the experts that a router chose: ids are in device memory, the sum of the last byte's block ends it.
// Layout: up to three tensors, expert e of tensor t at base[t] + e * units[t] (16-byte units; units 0 = tensor absent).
// The chosen experts' slices form one sequence (expert by expert, tensor by tensor) which is cut into gridDim.x equal parts,
// one per block. Writes the 64-bit sum of its words to out[blockIdx.x]. Bytes moved: 16 * used * (units[0]+units[1]+units[2]).

#include "memory_access.cuh"

extern "C" __global__ void __launch_bounds__(512) expert_fetch(const uint4* base0, const uint4* base1, const uint4* base2,
                                                               uint64_t units0, uint64_t units1, uint64_t units2,
                                                               const uint32_t* ids, uint32_t used, uint64_t* out) {
  const uint4* const base[3] = {base0, base1, base2};
  const uint64_t units[3] = {units0, units1, units2};
  const uint64_t total = (units0 + units1 + units2) * used;
  const uint64_t begin = total * blockIdx.x / gridDim.x, end = total * (blockIdx.x + 1) / gridDim.x;
  uint64_t sum = 0, segment = 0;
  for (uint32_t n = 0; n < used; n++) {
    const uint64_t expert = ids[n];
#pragma unroll
    for (int t = 0; t < 3; t++) {
      const uint64_t low = begin > segment ? begin - segment : 0;
      const uint64_t high = end < segment + units[t] ? (end > segment ? end - segment : 0) : units[t];
      if (low < high) sum += block_stride_sum<8>(base[t] + expert * units[t] + low, high - low);
      segment += units[t];
    }
  }
  store_block_sum(sum, out + blockIdx.x);
}
