// Between two tokens: the choice goes to the host, and the embedding of the next input becomes the residual stream.
// One block has work. The host reads `ring` while the device goes on; an entry holds the position it belongs to, so that it is known
// to be new.

#include "element.cuh"
#include "head.cuh"
#include "ordering.cuh"
#include "token.cuh"

struct NextTokenArgs {
  Matrix embedding;
  Token* token;
  const uint32_t* forced;
  float* x;
  unsigned long long* ring;
  float scale;
  uint32_t vocabulary;
  uint32_t ring_size;
  uint32_t unused;
};
static_assert(sizeof(NextTokenArgs) == 88, "the host writes this record");

extern "C" __global__ void __launch_bounds__(512, 1) next_token(const __grid_constant__ NextTokenArgs args) {
  __shared__ uint32_t input;
  if (blockIdx.x > 0) return stand_by();
  launch_next_grid();
  wait_for_previous_grid();
  if (threadIdx.x == 0) {
    Token token = *args.token;
    uint32_t id = 0;
    if (token.best != 0) {
      id = chosen_id(token.best);
      const unsigned long long entry = (token.position + 1ull) << 32 | id;
      store_for_host(args.ring + token.position % args.ring_size, entry);
    }
    if (token.taken < token.forced) id = args.forced[token.taken++];
    token.position++;
    token.step++;
    token.best = 0;
    *args.token = token;
    // Behind logits that are no numbers no token follows that anybody will ask for.
    input = min(id, args.vocabulary - 1);
  }
  __syncthreads();
  for (uint32_t i = threadIdx.x; i < args.embedding.columns; i += blockDim.x) args.x[i] = element(args.embedding, input, i) * args.scale;
}
