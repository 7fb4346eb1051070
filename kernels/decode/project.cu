// Rows of up to four matrices times the vectors that the stage makes of the residual stream.
//
// A segment's rows are dealt to blocks of its own, in groups that its blocks' warps take in turn; the host deals blocks to
// segments by their bytes. Rows of plain numbers are long: they are cut into pieces, whose products meet in shared memory, in
// order. A warp fetches its first steps before it waits for the previous grid: weights do not change.

#include "slots.cuh"

enum Mode : uint32_t {
  STORE = 0,
  ADD = 1,
  SILU_TIMES = 2,  // silu(matrix row) * (up row)
  GELU_TIMES = 3,
};

struct Segment {
  Matrix matrix;
  Matrix up;  // of the same type and shape
  float* out;
  uint32_t rows;
  uint32_t mode;
  uint32_t vector;
  uint32_t units;   // chunks of a row
  uint32_t block;   // the first
  uint32_t blocks;
  uint32_t each;    // groups of every block
  uint32_t rest;    // groups beyond them: one more for the first so many blocks
  uint32_t pieces;  // of a group
  uint32_t steps;   // of a piece
  uint32_t chunks;  // of all rows; 0 of a paired segment
  uint32_t unused;
};
static_assert(sizeof(Segment) == 136, "the host writes this record");

struct ProjectArgs {
  Norms norms;
  Segment segment[4];
  uint32_t segments;
  uint32_t ring;   // where rings begin in dynamic shared memory
  uint32_t slots;  // of a ring
  uint32_t unused;
};
static_assert(sizeof(ProjectArgs) == 656, "the host writes this record");

__device__ __forceinline__ bool is_paired(const Segment& s) { return s.mode >= SILU_TIMES; }

// Rows of a group: of a pair one of each matrix.
constexpr int ROWS = 2;
// Most results of pieces that a block keeps; the host cuts no more.
constexpr uint32_t MOST_PROJECT_PIECES = 192;

// Groups of this block.
__device__ __forceinline__ uint32_t groups_of(const Segment& s) { return s.each + (blockIdx.x - s.block < s.rest ? 1 : 0); }

// A warp's way through its block's items, a piece of a group each, and through the steps of a piece.
struct Cursor {
  uint32_t item;
  uint32_t unit;  // the step's first chunk, counted in its rows
  uint32_t left;  // chunks of the piece

  __device__ __forceinline__ explicit Cursor(const Segment& s) : item(threadIdx.x / 32) { settle(s); }
  __device__ __forceinline__ void settle(const Segment& s) {
    unit = s.pieces == 1 ? 0 : item % s.pieces * s.steps * 32;
    left = min(s.units - unit, s.steps * 32);
  }
  __device__ __forceinline__ bool ends() const { return left <= 32; }
  // False where the next step is another item's.
  __device__ __forceinline__ bool advance(const Segment& s) {
    if (!ends()) {
      unit += 32;
      left -= 32;
      return true;
    }
    item += blockDim.x / 32;
    settle(s);
    return false;
  }
  // The first row of the item's group.
    __device__ __forceinline__ uint32_t row(const Segment& s) const {
    const uint32_t n = s.pieces == 1 ? item : item / s.pieces, group = blockIdx.x - s.block + n * s.blocks;
    return is_paired(s) ? group : group * ROWS;
  }
  // The first row's first chunk of the step, counted in its matrix.
    __device__ __forceinline__ uint32_t chunk(const Segment& s) const {
    return row(s) * s.units + unit;
  }
};

// The same of all rows of the group: in the other matrix of a pair, and behind the last row the last row again.
__device__ __forceinline__ void chunks_of(const Segment& s, uint32_t first, uint32_t (&chunk)[ROWS]) {
#pragma unroll
  for (int r = 0; r < ROWS; r++) chunk[r] = first + r * s.units < s.chunks ? first + r * s.units : first;
}

// What becomes of a group's products.
__device__ __forceinline__ void emit(const Segment& s, uint32_t row, const float (&sums)[ROWS]) {
  if (is_paired(s)) {
    s.out[row] = (s.mode == SILU_TIMES ? silu(sums[0]) : gelu_tanh(sums[0])) * sums[ROWS - 1];
    return;
  }
#pragma unroll
  for (int r = 0; r < ROWS; r++) {
    if (row + r >= s.rows) break;
    if (s.mode == ADD) {
      add_at(s.out + row + r, sums[r]);
    } else {
      s.out[row + r] = sums[r];
    }
  }
}

// A block's share of a segment, of one type.
template <class B>
struct Share {
  using Ring = Slots<B, ROWS, 32>;
  const Segment& s;
  uint32_t items;
  Ring ring;
  Cursor& ahead;
  uint32_t& chunk;  // where that is in the first row's matrix

  __device__ __forceinline__ Share(const ProjectArgs& args, const Segment& s, uint32_t items, Lane& lane, Cursor& ahead, uint32_t& chunk)
      : s(s), items(items), ring{args.ring, args.slots, lane}, ahead(ahead), chunk(chunk) {}
  __device__ __forceinline__ void fetch() {
    if (ahead.item < items) {
      const uint8_t* planes[ROWS];
#pragma unroll
      for (int r = 0; r < ROWS; r++) planes[r] = r > 0 && is_paired(s) ? s.up.plane[0] : s.matrix.plane[0];
      uint32_t chunks[ROWS];
      chunks_of(s, chunk, chunks);
      ring.fetch(planes, chunks, ahead.left);
      chunk = ahead.advance(s) ? chunk + 32 : ahead.chunk(s);
    }
    tile::end_copies();
    ring.next();
  }
  __device__ __forceinline__ void begin() {
    ring.aim(s.matrix);
#pragma unroll 1
    for (uint32_t i = 0; i < ring.count; i++) fetch();
  }
  __device__ __forceinline__ void multiply(const Vector& v, float (&partial)[MOST_PROJECT_PIECES][ROWS]) {
    ring.restart();
    Cursor here(s);
    float sums[ROWS] = {};
    while (here.item < items) {
      const bool ends = here.ends();
      ring.wait();
      if (lane_of_warp() < here.left) {
        uint32_t chunks[ROWS];
        chunks_of(s, here.chunk(s), chunks);
        ring.add(v, here.unit + lane_of_warp(), chunks, sums);
      }
      // The slot may be filled again.
      __syncwarp();
      fetch();
      if (ends) {
#pragma unroll
        for (int r = 0; r < ROWS; r++) sums[r] = warp_sum(sums[r]);
        if (lane_of_warp() == 0) {
          if (s.pieces == 1) {
            emit(s, here.row(s), sums);
          } else {
#pragma unroll
            for (int r = 0; r < ROWS; r++) partial[here.item][r] = sums[r];
          }
        }
#pragma unroll
        for (int r = 0; r < ROWS; r++) sums[r] = 0;
      }
      here.advance(s);
    }
  }
};

__device__ __forceinline__ uint32_t segment_of_block(const ProjectArgs& args) {
  uint32_t i = 0;
  while (i + 1 < args.segments && blockIdx.x >= args.segment[i + 1].block) i++;
  return i;
}

// Pieces become rows.
__device__ __forceinline__ void join_pieces(const Segment& s, const float (&partial)[MOST_PROJECT_PIECES][ROWS]) {
  for (uint32_t n = threadIdx.x; n < groups_of(s); n += blockDim.x) {
    float all[ROWS] = {};
    for (uint32_t p = 0; p < s.pieces; p++) {
#pragma unroll
      for (int r = 0; r < ROWS; r++) all[r] += partial[n * s.pieces + p][r];
    }
    emit(s, (blockIdx.x - s.block + n * s.blocks) * (is_paired(s) ? 1 : ROWS), all);
  }
}

// What the threads of a block share beside the vector and the rings.
struct ProjectShared {
  float partial[MOST_PROJECT_PIECES][ROWS];
  uint32_t segment;
};

template <class TYPES>
__device__ __forceinline__ void project_rows(const ProjectArgs& args, ProjectShared& shared) {
  launch_next_grid();
  const Segment& s = args.segment[segment_of_block(args)];
  if (threadIdx.x == 0) shared.segment = segment_of_block(args);
  prepare_vector(args.norms, s.vector, blockDim.x);
  const uint32_t items = groups_of(s) * s.pieces;
  Lane lane;
  Cursor ahead(s);
  uint32_t chunk = ahead.chunk(s);
  TYPES::with_block(s.matrix.type, [&](auto block) { Share<decltype(block)>(args, s, items, lane, ahead, chunk).begin(); });
  keep_loads_above();
  wait_for_previous_grid();

  const Vector v(args.norms.place, args.norms.columns, takes_values(s.matrix));
  make_vector(args.norms, s.vector, v, blockDim.x, args.slots);
  __syncthreads();
  TYPES::with_block(s.matrix.type, [&](auto block) {
    Share<decltype(block)>(args, s, items, lane, ahead, chunk).multiply(v, shared.partial);
  });

  __syncthreads();
  // Looked up again: registers are better used in between.
  const Segment& done = args.segment[shared.segment];
  if (done.pieces > 1) join_pieces(done, shared.partial);
}

extern "C" __global__ void __launch_bounds__(512, 1) project(const __grid_constant__ ProjectArgs args) {
  __shared__ ProjectShared shared;
  project_rows<AllTypes>(args, shared);
}

// For the types of Q4_K_M files.
extern "C" __global__ void __launch_bounds__(512, 2) project_k(const __grid_constant__ ProjectArgs args) {
  __shared__ ProjectShared shared;
  project_rows<Types<Q4_K, Q6_K, Q5_K, F32>>(args, shared);
}
