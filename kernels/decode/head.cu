// The output projection: logits of the whole vocabulary, and the largest of them.
// As project.cu, two rows at a time for each warp; each block hands one candidate to an integer maximum, whose outcome does
// not depend on the order.

#include "head.cuh"
#include "slots.cuh"
#include "token.cuh"

struct HeadArgs {
  Norms norms;
  Matrix matrix;
  float* logits;
  Token* token;
  uint32_t rows;
  float cap;  // logits are capped smoothly at plus and minus this; 0: not at all
  uint32_t units;  // chunks of a row
  uint32_t ring;   // where rings begin in dynamic shared memory
  uint32_t slots;  // of a ring
  uint32_t unused;
};
static_assert(sizeof(HeadArgs) == 176, "the host writes this record");

// A warp's way through the vocabulary, two rows at a time; behind the last comes the last again.
struct RowCursor {
  uint32_t first;
  uint32_t chunk;  // the step's first of the first row
  uint32_t left;   // chunks of the rows

  __device__ __forceinline__ void settle(const HeadArgs& args) {
    chunk = first * args.units;
    left = args.units;
  }
  __device__ __forceinline__ void advance(const HeadArgs& args) {
    if (left <= 32) {
      first += gridDim.x * (blockDim.x / 32) * 2;
      settle(args);
      return;
    }
    left -= 32, chunk += 32;
  }
  __device__ __forceinline__ void chunks_of(const HeadArgs& args, uint32_t (&chunks)[2]) const {
    chunks[0] = chunk;
    chunks[1] = first + 1 < args.rows ? chunk + args.units : chunk;
  }
};

template <class B>
struct HeadShare {
  using Ring = Slots<B, 2, 32>;
  const HeadArgs& args;
  Ring ring;
  RowCursor& ahead;

  __device__ __forceinline__ void fetch() {
    if (ahead.first < args.rows) {
      const uint8_t* const planes[2] = {args.matrix.plane[0], args.matrix.plane[0]};
      uint32_t chunks[2];
      ahead.chunks_of(args, chunks);
      ring.fetch(planes, chunks, ahead.left);
      ahead.advance(args);
    }
    tile::end_copies();
    ring.next();
  }
  __device__ __forceinline__ void begin() {
    ring.aim(args.matrix);
#pragma unroll 1
    for (uint32_t i = 0; i < ring.count; i++) fetch();
  }
  __device__ __forceinline__ unsigned long long multiply(RowCursor here, const Vector& v) {
    ring.restart();
    unsigned long long best = 0;
    float sums[2] = {0, 0};
    while (here.first < args.rows) {
      ring.wait();
      if (lane_of_warp() < here.left) {
        uint32_t chunks[2];
        here.chunks_of(args, chunks);
        ring.add(v, args.units - here.left + lane_of_warp(), chunks, sums);
      }
      // The slot may be filled again.
      __syncwarp();
      fetch();
      if (here.left <= 32) {
        // Half the warp has the first row's, the other half the second's.
        const float sum = warp_sums(sums[0], sums[1]);
        const uint32_t row = here.first + lane_of_warp() / 16;
        sums[0] = sums[1] = 0;
        if (row < args.rows) {
          const float logit = args.cap > 0.0f ? args.cap * tanhf(sum / args.cap) : sum;
          if (lane_of_warp() % 16 == 0) args.logits[row] = logit;
          best = max(best, packed_logit(logit, row));
        }
      }
      here.advance(args);
    }
    return best;
  }
};

template <class TYPES>
__device__ __forceinline__ void head_rows(const HeadArgs& args, unsigned long long (&candidate)[2 * MOST_WARPS]) {
  launch_next_grid();
  prepare_vector(args.norms, 0, blockDim.x);
  Lane lane;
  RowCursor ahead;
  ahead.first = (threadIdx.x / 32 * gridDim.x + blockIdx.x) * 2;
  ahead.settle(args);
  const RowCursor here = ahead;
  auto with_share = [&](auto f) {
    TYPES::with_block(args.matrix.type, [&](auto block) {
      using Share = HeadShare<decltype(block)>;
      f(Share{args, {args.ring, args.slots, lane}, ahead});
    });
  };
  with_share([](auto share) { share.begin(); });
  keep_loads_above();
  wait_for_previous_grid();

  const Vector v(args.norms.place, args.norms.columns, takes_values(args.matrix));
  make_vector(args.norms, 0, v, blockDim.x, args.slots);
  __syncthreads();
  unsigned long long best = 0;
  with_share([&](auto share) { best = share.multiply(here, v); });
  if (threadIdx.x % 16 == 0) candidate[threadIdx.x / 16] = best;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (uint32_t i = 0; i < blockDim.x / 16; i++) best = max(best, candidate[i]);
    atomicMax(&args.token->best, best);
  }
}

extern "C" __global__ void __launch_bounds__(512, 1) head(const __grid_constant__ HeadArgs args) {
  __shared__ unsigned long long candidate[2 * MOST_WARPS];
  head_rows<AllTypes>(args, candidate);
}

// For the output projections of Q4_K_M files, with as many warps as an SM has registers for: it is long enough to do without
// a stage beside it.
extern "C" __global__ void __launch_bounds__(1024, 1) head_k(const __grid_constant__ HeadArgs args) {
  __shared__ unsigned long long candidate[2 * MOST_WARPS];
  head_rows<Types<Q6_K>>(args, candidate);
}
