// Rows of up to four matrices times the vectors that the stage makes of the residual stream.
// The segments' rows form one sequence, cut into groups that warps take in turn: warps of one block take groups
// far apart, so that every block gets its share of each segment. A warp loads its first group before it waits for the
// previous grid: weights do not change.

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

// Rows of a group: of a paired segment always one, from both matrices.
template <int ROWS>
__device__ __forceinline__ uint32_t groups_of(const Segment& s) {
  return is_paired(s) ? s.rows : (s.rows + ROWS - 1) / ROWS;
}

// Sets the batch to the rows of group `group` and loads their first units; the segment, or none behind the last.
template <int ROWS, int DEPTH>
__device__ __forceinline__ const Segment* begin_group(const ProjectArgs& args, uint32_t group, Batch<ROWS, DEPTH>& batch) {
  for (uint32_t i = 0; i < args.segments; i++) {
    const Segment& s = args.segment[i];
    const uint32_t groups = groups_of<ROWS>(s);
    if (group < groups) {
      if (is_paired(s)) {
        batch.rows[0] = RowOf{&s.matrix, group};
        if (ROWS > 1) batch.rows[ROWS - 1] = RowOf{&s.up, group};
      } else {
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
          const uint32_t row = group * ROWS + r;
          batch.rows[r] = RowOf{row < s.rows ? &s.matrix : nullptr, row};
        }
      }
      batch.begin();
      return &s;
    }
    group -= groups;
  }
  return nullptr;
}

template <int ROWS, int DEPTH>
__device__ __forceinline__ void project(const ProjectArgs& args) {
  launch_next_grid();
  // Warp w of block b is number w * blocks + b: the rest of a division by blocks is spread over the blocks.
  uint32_t group = threadIdx.x / 32 * gridDim.x + blockIdx.x;
  Batch<ROWS, DEPTH> batch;
  const Segment* s = begin_group(args, group, batch);
  keep_loads_above();
  wait_for_previous_grid();

  Vector vectors[2];
  make_vectors(args.norms, Workspace{dynamic_shared}, vectors);
  while (s) {
    float sums[ROWS];
    batch.finish(one_of(vectors, s->vector), sums);
    if (threadIdx.x % 32 == 0) {
      if (is_paired(*s)) {
        const float gate = s->mode == SILU_TIMES ? silu(sums[0]) : gelu_tanh(sums[0]);
        s->out[batch.rows[0].row] = gate * sums[ROWS - 1];
      } else {
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
          if (!batch.rows[r].matrix) continue;
          float* out = s->out + batch.rows[r].row;
          *out = s->mode == ADD ? *out + sums[r] : sums[r];
        }
      }
    }
    group += warps_of_grid();
    s = begin_group(args, group, batch);
  }
}

// Many rows of a few thousand columns.
extern "C" __global__ void __launch_bounds__(512, 1) project_wide(const __grid_constant__ ProjectArgs args) { project<2, 2>(args); }

// Fewer rows than warps can take two at a time; no paired segments.
extern "C" __global__ void __launch_bounds__(512, 1) project_deep(const __grid_constant__ ProjectArgs args) { project<1, 4>(args); }
