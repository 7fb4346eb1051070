// Rows of up to four matrices times the vectors that the stage makes of the residual stream.
//
// The segments' rows form one sequence of groups that blocks take in turn, so that every block gets its share of each
// segment; a block's warps share its groups. Rows of plain numbers are long: they are cut into pieces, whose products meet
// in shared memory, in order. A warp loads its first piece before it waits for the previous grid: weights do not change.

#include "rows.cuh"

enum Mode : uint32_t {
  STORE = 0,
  ADD = 1,
  SILU_TIMES = 2,  // silu(matrix row) * (up row)
  GELU_TIMES = 3,
};

struct Segment {
  Matrix matrix;
  Matrix up;
  float* out;
  uint32_t rows;
  uint32_t mode;
  uint32_t vector;
  uint32_t units;   // of a row
  uint32_t each;    // groups of every block
  uint32_t rest;    // groups beyond them: one more for the first so many blocks
  uint32_t pieces;  // of a group
  uint32_t steps;   // of a piece
  uint32_t slot;    // where results of pieces begin
  uint32_t unused;
};
static_assert(sizeof(Segment) == 128, "the host writes this record");

struct ProjectArgs {
  Norms norms;
  Segment segment[4];
  uint32_t segments;
  uint32_t unused;
};
static_assert(sizeof(ProjectArgs) == 616, "the host writes this record");

__device__ __forceinline__ bool is_paired(const Segment& s) { return s.mode >= SILU_TIMES; }

// A pair of two types: rare, and without loads in advance.
__device__ __forceinline__ bool is_mixed(const Segment& s) { return is_paired(s) && s.matrix.type != s.up.type; }

// Most results of pieces that a block keeps; the host cuts no more.
constexpr uint32_t MOST_PROJECT_PIECES = 192;

// Where a warp is among its block's pieces: those of all groups of a segment, then those of the next.
template <int ROWS>
struct Walk {
  uint32_t segment;
  uint32_t first;  // the block's first group of the segment
  uint32_t index;  // of the piece in the segment

  __device__ __forceinline__ void begin(uint32_t at) {
    segment = 0;
    first = blockIdx.x;
    index = at;
  }
  // The block's groups of a segment: a division that the host has made.
  __device__ __forceinline__ uint32_t groups(const Segment& s) const { return s.each + (first < s.rest ? 1 : 0); }
  // To the next segment, whose groups go on with the block behind the last one's.
  __device__ __forceinline__ bool leave(const ProjectArgs& args) {
    const uint32_t rest = args.segment[segment].rest;
    first = first < rest ? first + gridDim.x - rest : first - rest;
    return ++segment < args.segments;
  }
  // To piece `index` of this segment or those behind it; false behind the last.
  __device__ __forceinline__ bool settle(const ProjectArgs& args) {
    while (true) {
      const Segment& s = args.segment[segment];
      const uint32_t pieces = groups(s) * s.pieces;
      if (index < pieces) return true;
      index -= pieces;
      if (!leave(args)) return false;
    }
  }
  __device__ __forceinline__ uint32_t piece(const Segment& s) const { return s.pieces == 1 ? 0 : index % s.pieces; }
  __device__ __forceinline__ uint32_t row(const Segment& s) const {
    const uint32_t group = first + (s.pieces == 1 ? index : index / s.pieces) * gridDim.x;
    return is_paired(s) ? group : group * ROWS;
  }
};

// A piece of a group of rows.
template <int ROWS>
struct Piece {
  uint32_t row;
  uint32_t from;          // its first step of the vector
  uint32_t units;         // of each row
  uint32_t before[ROWS];  // units of the matrix in front of it

  __device__ __forceinline__ Piece(const Segment& s, const Walk<ROWS>& walk) : row(walk.row(s)), from(walk.piece(s) * s.steps) {
    units = min(s.units - from * 32, s.steps * 32);
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
      // Behind the last row comes the last row again.
      before[r] = (is_paired(s) ? row : min(row + r, s.rows - 1)) * s.units + from * 32;
    }
  }
};

// The second row of a pair is one of the other matrix.
__device__ __forceinline__ Planes planes_of_row(const Segment& s, int r) {
  return planes_of(r > 0 && is_paired(s) ? s.up : s.matrix);
}

// What becomes of a group's products.
template <int ROWS>
__device__ __forceinline__ void emit(const Segment& s, uint32_t row, const float (&sums)[ROWS], const float (&old)[ROWS]) {
  if (is_paired(s)) {
    s.out[row] = (s.mode == SILU_TIMES ? silu(sums[0]) : gelu_tanh(sums[0])) * sums[ROWS - 1];
    return;
  }
#pragma unroll
  for (int r = 0; r < ROWS; r++) {
    if (row + r < s.rows) s.out[row + r] = sums[r] + old[r];
  }
}

template <int ROWS, int DEPTH>
__device__ __forceinline__ void project(const ProjectArgs& args) {
  __shared__ float partial[MOST_PROJECT_PIECES][ROWS];
  launch_next_grid();
  prepare_vectors(args.norms, blockDim.x);
  Walk<ROWS> walk;
  walk.begin(threadIdx.x / 32);
  Batch<ROWS, DEPTH> batch;
  auto planes = [&](int r) { return planes_of_row(args.segment[walk.segment], r); };
  auto load = [&] {
    const Segment& s = args.segment[walk.segment];
    if (is_mixed(s)) return;
    const Piece<ROWS> piece(s, walk);
    batch.begin(s.matrix.type, planes, piece.before, piece.units);
  };
  bool more = walk.settle(args);
  if (more) load();
  keep_loads_above();
  wait_for_previous_grid();

  Vector vectors[2];
  make_vectors(args.norms, vectors, blockDim.x);
  __syncthreads();
  while (more) {
    const Segment& s = args.segment[walk.segment];
    const Piece<ROWS> piece(s, walk);
    // Under way while the sums are made.
    float old[ROWS] = {};
    if (s.mode == ADD) {
#pragma unroll
      for (int r = 0; r < ROWS; r++) old[r] = __ldcg(s.out + min(piece.row + r, s.rows - 1));
    }
    const Vector v = one_of(vectors, s.vector);
    float sums[ROWS];
    if (ROWS > 1 && is_mixed(s)) {
      sums[0] = row_product(s.matrix, piece.row, v);
      sums[ROWS - 1] = row_product(s.up, piece.row, v);
    } else {
      batch.finish(s.matrix.type, planes, piece.before, piece.units, v, piece.from, sums);
    }
    if (lane_of_warp() == 0) {
      if (s.pieces == 1) {
        emit(s, piece.row, sums, old);
      } else {
#pragma unroll
        for (int r = 0; r < ROWS; r++) partial[s.slot + walk.index][r] = sums[r];
      }
    }
    walk.index += warps_of_block();
    more = walk.settle(args);
    if (more) load();
  }

  // Pieces become rows.
  uint32_t most = 1;
  for (uint32_t i = 0; i < args.segments; i++) most = max(most, args.segment[i].pieces);
  if (most == 1) return;
  __syncthreads();
  walk.begin(0);
  do {
    const Segment& s = args.segment[walk.segment];
    for (uint32_t group = threadIdx.x; s.pieces > 1 && group < walk.groups(s); group += blockDim.x) {
      walk.index = group * s.pieces;
      float sums[ROWS] = {}, old[ROWS] = {};
      for (uint32_t p = 0; p < s.pieces; p++) {
#pragma unroll
        for (int r = 0; r < ROWS; r++) sums[r] += partial[s.slot + walk.index + p][r];
      }
      const uint32_t row = (walk.first + group * gridDim.x) * (is_paired(s) ? 1 : ROWS);
#pragma unroll
      for (int r = 0; r < ROWS; r++) old[r] = s.mode == ADD && row + r < s.rows ? s.out[row + r] : 0;
      emit(s, row, sums, old);
    }
  } while (walk.leave(args));
}

// Many rows of a few thousand columns.
extern "C" __global__ void __launch_bounds__(512, 1) project_wide(const __grid_constant__ ProjectArgs args) { project<2, 2>(args); }

// Fewer rows than warps can take two at a time; no paired segments.
extern "C" __global__ void __launch_bounds__(512, 1) project_deep(const __grid_constant__ ProjectArgs args) { project<1, 4>(args); }
