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

// Rows from `first` on; behind the last comes the last again.
struct HeadRows {
  uint32_t rows[ROWS];
  Batch<ROWS, 2> batch;
  __device__ __forceinline__ void begin(const HeadArgs& args, uint32_t units, uint32_t first) {
#pragma unroll
    for (int r = 0; r < ROWS; r++) rows[r] = min(first + r, args.rows - 1) * units;
    batch.begin(args.matrix.type, [&](int) { return planes_of(args.matrix); }, rows, units);
  }
};

extern "C" __global__ void __launch_bounds__(512, 1) head(const __grid_constant__ HeadArgs args) {
  __shared__ unsigned long long candidate[MOST_WARPS];
  launch_next_grid();
  const uint32_t units = units_of(args.matrix), step = warps_of_grid() * ROWS;
  uint32_t first = (threadIdx.x / 32 * gridDim.x + blockIdx.x) * ROWS;
  HeadRows now, next;
  prepare_vectors(args.norms, blockDim.x);
  if (first < args.rows) now.begin(args, units, first);
  keep_loads_above();
  wait_for_previous_grid();

  Vector vectors[2];
  make_vectors(args.norms, vectors, blockDim.x);
  __syncthreads();
  unsigned long long best = 0;
  for (; first < args.rows; first += step) {
    // The next rows are under way meanwhile.
    if (first + step < args.rows) next.begin(args, units, first + step);
    float sums[ROWS];
    now.batch.finish(args.matrix.type, [&](int) { return planes_of(args.matrix); }, now.rows, units, vectors[0], 0, sums);
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
      if (first + r >= args.rows) break;
      const float logit = args.cap > 0.0f ? args.cap * tanhf(sums[r] / args.cap) : sums[r];
      if (lane_of_warp() == 0) args.logits[first + r] = logit;
      best = max(best, packed_logit(logit, first + r));
    }
    now = next;
  }
  if (threadIdx.x % 32 == 0) candidate[threadIdx.x / 32] = best;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (uint32_t w = 0; w < blockDim.x / 32; w++) best = max(best, candidate[w]);
    atomicMax(&args.token->best, best);
  }
}
