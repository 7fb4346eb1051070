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
  uint32_t unused;
};
static_assert(sizeof(Segment) == 104, "the host writes this record");

struct ProjectArgs {
  Norms norms;
  Segment segment[4];
  uint32_t segments;
  uint32_t unused;
};
static_assert(sizeof(ProjectArgs) == 520, "the host writes this record");

__device__ __forceinline__ bool is_paired(const Segment& s) { return s.mode >= SILU_TIMES; }

// A pair of two types: rare, and without loads in advance.
__device__ __forceinline__ bool is_mixed(const Segment& s) { return is_paired(s) && s.matrix.type != s.up.type; }

// Most results of pieces that a block keeps.
constexpr uint32_t MOST_PROJECT_PIECES = 192;

// The groups of a block, one segment behind another, and where a warp is among them.
template <int ROWS, int DEPTH>
struct Walk {
  uint32_t segment;
  uint32_t first;   // the block's first group of the segment
  uint32_t groups;  // the block's groups of the segment
  uint32_t pieces;  // of every group
  uint32_t steps;   // of every piece
  uint32_t units;   // of a row
  uint32_t slot;    // of the segment's first piece, where it is cut
  uint32_t index;   // of the warp's piece in the segment

  __device__ __forceinline__ void enter(const ProjectArgs& args) {
    const Segment& s = args.segment[segment];
    const uint32_t all = is_paired(s) ? s.rows : (s.rows + ROWS - 1) / ROWS;
    groups = first < all ? (all - first + gridDim.x - 1) / gridDim.x : 0;
    // The block's next group, counted from the next segment on.
    next = first + groups * gridDim.x - all;
    units = units_of(s.matrix);
    steps = (units + 31) / 32;
    pieces = 1;
    if (takes_values(s.matrix) && !is_mixed(s)) {
      const uint32_t cut = (steps + DEPTH - 1) / DEPTH, most = (all + gridDim.x - 1) / gridDim.x;
      if (slot + cut * most <= MOST_PROJECT_PIECES) pieces = cut, steps = DEPTH;
    }
  }
  __device__ __forceinline__ void begin(const ProjectArgs& args) {
    segment = 0;
    first = blockIdx.x;
    slot = 0;
    enter(args);
  }
  // To the next segment; false behind the last.
  __device__ __forceinline__ bool leave(const ProjectArgs& args) {
    if (pieces > 1) slot += groups * pieces;
    first = next;
    if (++segment == args.segments) return false;
    enter(args);
    return true;
  }
  // To the piece `index` of this segment or those behind it; false behind the last.
  __device__ __forceinline__ bool settle(const ProjectArgs& args) {
    while (index >= groups * pieces) {
      index -= groups * pieces;
      if (!leave(args)) return false;
    }
    return true;
  }
  __device__ __forceinline__ bool advance(const ProjectArgs& args) {
    index += warps_of_block();
    return settle(args);
  }
  __device__ __forceinline__ uint32_t piece() const { return pieces == 1 ? 0 : index % pieces; }
  __device__ __forceinline__ uint32_t group() const { return first + (pieces == 1 ? index : index / pieces) * gridDim.x; }
  __device__ __forceinline__ uint32_t row(const Segment& s) const { return is_paired(s) ? group() : group() * ROWS; }
  // Units of the piece.
  __device__ __forceinline__ uint32_t count() const { return min(units - piece() * steps * 32, steps * 32); }
  __device__ __forceinline__ void place(const Segment& s, uint32_t (&units_before)[ROWS]) const {
    const bool paired = is_paired(s);
    const uint32_t from = piece() * steps * 32;
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
      // Behind the last row comes the last row again.
      const uint32_t at = paired ? row(s) : min(row(s) + r, s.rows - 1);
      units_before[r] = at * units + from;
    }
  }

 private:
  uint32_t next;
};

// The second row of a pair is one of the other matrix.
__device__ __forceinline__ Planes planes_of_row(const Segment& s, int r) {
  return planes_of(r > 0 && is_paired(s) ? s.up : s.matrix);
}

// What becomes of a group's products.
template <int ROWS>
__device__ __forceinline__ void emit(const Segment& s, uint32_t row, const float (&sums)[ROWS]) {
  if (is_paired(s)) {
    s.out[row] = (s.mode == SILU_TIMES ? silu(sums[0]) : gelu_tanh(sums[0])) * sums[ROWS - 1];
    return;
  }
#pragma unroll
  for (int r = 0; r < ROWS; r++) {
    if (row + r >= s.rows) break;
    float* out = s.out + row + r;
    *out = s.mode == ADD ? *out + sums[r] : sums[r];
  }
}

template <int ROWS, int DEPTH>
__device__ __forceinline__ void project(const ProjectArgs& args) {
  __shared__ float partial[MOST_PROJECT_PIECES][ROWS];
  launch_next_grid();
  Walk<ROWS, DEPTH> walk{};
  Batch<ROWS, DEPTH> batch;
  uint32_t rows[ROWS];
  walk.begin(args);
  auto planes = [&](int r) { return planes_of_row(args.segment[walk.segment], r); };
  walk.index = threadIdx.x / 32;
  bool more = walk.settle(args);
  if (more) {
    const Segment& s = args.segment[walk.segment];
    walk.place(s, rows);
    if (!is_mixed(s)) batch.begin(s.matrix.type, planes, rows, walk.count());
  }
  keep_loads_above();
  wait_for_previous_grid();

  Vector vectors[2];
  make_vectors(args.norms, vectors, blockDim.x);
  __syncthreads();
  while (more) {
    const Segment& s = args.segment[walk.segment];
    float sums[ROWS];
    const Vector v = one_of(vectors, s.vector);
    if (ROWS > 1 && is_mixed(s)) {
      sums[0] = row_product(s.matrix, walk.row(s), v);
      sums[ROWS - 1] = row_product(s.up, walk.row(s), v);
    } else {
      batch.finish(s.matrix.type, planes, rows, walk.count(), v, walk.piece() * walk.steps, sums);
    }
    if (lane_of_warp() == 0) {
      if (walk.pieces == 1) {
        emit(s, walk.row(s), sums);
      } else {
#pragma unroll
        for (int r = 0; r < ROWS; r++) partial[walk.slot + walk.index][r] = sums[r];
      }
    }
    more = walk.advance(args);
    if (!more) break;
    const Segment& next = args.segment[walk.segment];
    walk.place(next, rows);
    if (!is_mixed(next)) batch.begin(next.matrix.type, planes, rows, walk.count());
  }

  bool cut = false;
  for (uint32_t i = 0; i < args.segments; i++) cut |= takes_values(args.segment[i].matrix);
  if (!cut) return;
  __syncthreads();
  walk.begin(args);
  do {
    const Segment& s = args.segment[walk.segment];
    for (uint32_t group = threadIdx.x; walk.pieces > 1 && group < walk.groups; group += blockDim.x) {
      walk.index = group * walk.pieces;
      float sums[ROWS] = {};
      for (uint32_t p = 0; p < walk.pieces; p++) {
#pragma unroll
        for (int r = 0; r < ROWS; r++) sums[r] += partial[walk.slot + walk.index + p][r];
      }
      emit(s, walk.row(s), sums);
    }
  } while (walk.leave(args));
}

// Many rows of a few thousand columns.
extern "C" __global__ void __launch_bounds__(512, 1) project_wide(const __grid_constant__ ProjectArgs args) { project<2, 2>(args); }

// Fewer rows than warps can take two at a time; no paired segments.
extern "C" __global__ void __launch_bounds__(512, 1) project_deep(const __grid_constant__ ProjectArgs args) { project<1, 4>(args); }
