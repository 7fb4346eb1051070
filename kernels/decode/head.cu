// The output projection: logits of the whole vocabulary, and the largest of them.
// As project.cu, two rows at a time for each warp; each block hands one candidate to an integer maximum, whose outcome does
// not depend on the order.

#include "head.cuh"
#include "rows.cuh"
#include "token.cuh"

struct HeadArgs {
  Norms norms;
  Matrix matrix;
  float* logits;
  Token* token;
  uint32_t rows;
  float cap;  // logits are capped smoothly at plus and minus this; 0: not at all
};
static_assert(sizeof(HeadArgs) == 160, "the host writes this record");

constexpr int ROWS = 2;

extern "C" __global__ void __launch_bounds__(512, 1) head(const __grid_constant__ HeadArgs args) {
  __shared__ unsigned long long candidate[MOST_WARPS];
  launch_next_grid();
  Batch<ROWS, 2> batch;
  uint32_t first = (threadIdx.x / 32 * gridDim.x + blockIdx.x) * ROWS;
  auto begin = [&] {
#pragma unroll
    for (int r = 0; r < ROWS; r++) batch.rows[r] = RowOf{first + r < args.rows ? &args.matrix : nullptr, first + r};
    batch.begin();
  };
  begin();
  keep_loads_above();
  wait_for_previous_grid();

  Vector vectors[2];
  make_vectors(args.norms, Workspace{dynamic_shared}, vectors);
  unsigned long long best = 0;
  while (first < args.rows) {
    float sums[ROWS];
    batch.finish(vectors[0], sums);
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
      if (!batch.rows[r].matrix) continue;
      const float logit = args.cap > 0.0f ? args.cap * tanhf(sums[r] / args.cap) : sums[r];
      if (threadIdx.x % 32 == 0) args.logits[first + r] = logit;
      best = max(best, packed_logit(logit, first + r));
    }
    first += warps_of_grid() * ROWS;
    begin();
  }
  if (threadIdx.x % 32 == 0) candidate[threadIdx.x / 32] = best;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (uint32_t w = 0; w < blockDim.x / 32; w++) best = max(best, candidate[w]);
    atomicMax(&args.token->best, best);
  }
}
