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
  uint32_t round;   // what the block's warps take at a time: groups << 16 | pieces beyond those
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
  uint32_t item;  // group << 16 | piece
  uint32_t unit;  // the step's first chunk, counted in its rows
  uint32_t left;  // chunks of the piece

  __device__ __forceinline__ explicit Cursor(const Segment& s) {
    const uint32_t warp = threadIdx.x / 32, group = s.pieces == 1 ? warp : warp / s.pieces;
    item = group << 16 | (warp - group * s.pieces);
    settle(s);
  }
  __device__ __forceinline__ uint32_t group() const { return item >> 16; }
  __device__ __forceinline__ uint32_t piece() const { return item & 0xffff; }
  __device__ __forceinline__ void settle(const Segment& s) {
    unit = piece() * s.steps * 32;
    left = min(s.units - unit, s.steps * 32);
  }
  // False where the next step is another item's.
  __device__ __forceinline__ bool advance(const Segment& s) {
    if (left > 32) {
      unit += 32;
      left -= 32;
      return true;
    }
    item += s.round;
    if (piece() >= s.pieces) item += (1 << 16) - s.pieces;
    settle(s);
    return false;
  }
  // The first row's first chunk of the step, counted in its matrix.
  __device__ __forceinline__ uint32_t chunk(const Segment& s) const {
    const uint32_t n = blockIdx.x - s.block + group() * s.blocks;
    return (is_paired(s) ? n : n * ROWS) * s.units + unit;
  }
};

// What becomes of a group's products, of which lanes 0 to 15 have the first and the others the second: one row of a pair, or two.
__device__ __forceinline__ void emit(const Segment& s, uint32_t group, float sum) {
  const uint32_t lane = lane_of_warp(), n = blockIdx.x - s.block + group * s.blocks;
  const float other = __shfl_xor_sync(~0u, sum, 16);
  if (is_paired(s)) sum = (s.mode == SILU_TIMES ? silu(sum) : gelu_tanh(sum)) * other;
  const uint32_t row = is_paired(s) ? n + lane : n * ROWS + lane / 16;
  if (lane % 16 != 0 || row >= (is_paired(s) ? n + 1 : s.rows)) return;
  if (s.mode == ADD) {
    add_at(s.out + row, sum);
  } else {
    s.out[row] = sum;
  }
}

// A block's share of a segment, of one type.
template <class B>
struct Share {
  using Ring = Slots<B, ROWS, 32>;
  const Segment& s;
  uint32_t groups;
  Ring ring;
  Cursor& ahead;
  uint32_t& chunk;  // where that is in the first row's matrix
  const uint8_t* planes[ROWS];
  uint32_t second, end;  // chunks from a group's first row to its second; behind the last row comes the last again

  __device__ __forceinline__ Share(const ProjectArgs& args, const Segment& s, Lane& lane, Cursor& ahead, uint32_t& chunk)
      : s(s), groups(groups_of(s)), ring{args.ring, args.slots, lane}, ahead(ahead), chunk(chunk) {
    planes[0] = in_register(s.matrix.plane[0]);
    planes[1] = in_register(is_paired(s) ? s.up.plane[0] : s.matrix.plane[0]);
    second = is_paired(s) ? 0 : s.units;
    end = s.chunks;
  }
  __device__ __forceinline__ void chunks_of(uint32_t first, uint32_t (&chunks)[ROWS]) const {
    chunks[0] = first;
    chunks[1] = first + second < end ? first + second : first;
  }
  __device__ __forceinline__ void fetch() {
    if (ahead.group() < groups) {
      uint32_t chunks[ROWS];
      chunks_of(chunk, chunks);
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
    uint32_t at = here.chunk(s);
    float sums[ROWS] = {};
    while (here.group() < groups) {
      ring.wait();
      if (lane_of_warp() < here.left) {
        uint32_t chunks[ROWS];
        chunks_of(at, chunks);
        ring.add(v, here.unit + lane_of_warp(), chunks, sums);
      }
      // The slot may be filled again.
      __syncwarp();
      fetch();
      if (here.left > 32) {
        here.advance(s);
        at += 32;
        continue;
      }
      const float sum = warp_sums(sums[0], sums[1]);
      if (s.pieces == 1) {
        emit(s, here.group(), sum);
      } else if (lane_of_warp() % 16 == 0) {
        partial[here.group() * s.pieces + here.piece()][lane_of_warp() / 16] = sum;
      }
      sums[0] = sums[1] = 0;
      here.advance(s);
      at = here.chunk(s);
    }
  }
};

__device__ __forceinline__ uint32_t segment_of_block(const ProjectArgs& args) {
  uint32_t i = 0;
  while (i + 1 < args.segments && blockIdx.x >= args.segment[i + 1].block) i++;
  return i;
}

// Pieces become rows: a warp joins a group's.
__device__ __forceinline__ void join_pieces(const Segment& s, const float (&partial)[MOST_PROJECT_PIECES][ROWS]) {
  for (uint32_t n = threadIdx.x / 32; n < groups_of(s); n += blockDim.x / 32) {
    float sum = 0;
    for (uint32_t p = 0; p < s.pieces; p++) sum += partial[n * s.pieces + p][lane_of_warp() / 16];
    emit(s, n, sum);
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
  Lane lane;
  Cursor ahead(s);
  uint32_t chunk = ahead.chunk(s);
  TYPES::with_block(s.matrix.type, [&](auto block) { Share<decltype(block)>(args, s, lane, ahead, chunk).begin(); });
  keep_loads_above();
  wait_for_previous_grid();

  const Vector v(args.norms.place, args.norms.columns, takes_values(s.matrix));
  make_vector(args.norms, s.vector, v, blockDim.x, args.slots);
  __syncthreads();
  TYPES::with_block(s.matrix.type, [&](auto block) {
    Share<decltype(block)>(args, s, lane, ahead, chunk).multiply(v, shared.partial);
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
