// The embeddings of a batch become its residual stream; a block a token.

#include "decode/element.cuh"

struct EmbedArgs {
  Matrix embedding;
  const uint32_t* ids;
  float* x;  // [tokens], rows stride apart
  float scale;
  uint32_t stride;
};
static_assert(sizeof(EmbedArgs) == 64, "the host writes this record");

extern "C" __global__ void __launch_bounds__(256) prefill_embed(const __grid_constant__ EmbedArgs args) {
  const uint32_t id = __ldg(args.ids + blockIdx.x);
  float* const x = args.x + static_cast<uint64_t>(blockIdx.x) * args.stride;
  for (uint32_t i = threadIdx.x; i < args.embedding.columns; i += blockDim.x) x[i] = element(args.embedding, id, i) * args.scale;
}
