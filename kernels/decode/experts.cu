// The routed experts of a token: gate and up projections, then down projections with the expert that every token uses (or,
// in Gemma, the dense MLP beside). Which rows are read follows from the router's logits on the device.
// A warp takes a pair of rows (up) or a row of all chosen experts, or a piece of it (down), at a time.

#include "router.cuh"
#include "rows.cuh"
#include "token.cuh"

struct ExpertsUpArgs {
  Norms norms;
  Matrix gate;  // [experts][width] rows, or [experts][2 * width] with the gates' first and `up` empty
  Matrix up;
  const float* router;        // logits [experts]
  const float* expert_scale;  // [experts] or null
  const Token* token;
  uint32_t* chosen;  // [used]
  float* weight;     // [used]
  uint32_t* trace;   // this layer's slot of step 0
  float* out;        // [used][width]
  uint32_t experts;
  uint32_t used;
  uint32_t width;
  uint32_t activation;    // 0: SiLU, 1: GELU (tanh)
  uint32_t trace_stride;  // from step to step, in ids
  uint32_t trace_steps;
};
static_assert(sizeof(ExpertsUpArgs) == 256, "the host writes this record");

// Division by a number that many are divided by: exact while the product of both is below 2^32.
struct Divisor {
  uint64_t inverse;
  __device__ __forceinline__ explicit Divisor(uint32_t by) : inverse(uint64_t{~0u / by} + 1) {}
  __device__ __forceinline__ uint32_t quotient(uint32_t n) const { return static_cast<uint32_t>(n * inverse >> 32); }
};

// Pairs of rows of the chosen experts.
struct Pairs {
  const ExpertsUpArgs& args;
  const uint32_t* ids;
  const Vector& v;
  uint32_t units;
  Divisor width;

  // The first unit of pair `pair`, of the gate projection or the up projection.
  __device__ __forceinline__ uint32_t row(uint32_t pair, bool up) const {
    const uint32_t slot = width.quotient(pair), row = pair - slot * args.width, first = ids[slot] * args.width;
    return is_fused() ? 2 * first + (up ? args.width : 0) + row : first + row;
  }
  __device__ __forceinline__ bool is_fused() const { return args.up.plane[0] == nullptr; }
  // Of two types: rare, and without loads in advance.
  __device__ __forceinline__ bool is_mixed() const { return !is_fused() && args.up.type != args.gate.type; }
  __device__ __forceinline__ Planes planes(int r) const { return planes_of(r > 0 && !is_fused() ? args.up : args.gate); }
  __device__ __forceinline__ void emit(uint32_t pair, float gate, float up) const {
    const float open = args.activation == 0 ? silu(gate) : gelu_tanh(gate);
    if (lane_of_warp() == 0) args.out[pair] = open * up;
  }
};

struct Pair {
  uint32_t first[2];
  Batch<2, 2> batch;
  __device__ __forceinline__ void begin(const Pairs& pairs, uint32_t pair) {
    first[0] = pairs.row(pair, false) * pairs.units;
    first[1] = pairs.row(pair, true) * pairs.units;
    batch.begin(pairs.args.gate.type, [&](int r) { return pairs.planes(r); }, first, pairs.units);
  }
  __device__ __forceinline__ void finish(const Pairs& pairs, uint32_t pair) {
    float sums[2];
    batch.finish(pairs.args.gate.type, [&](int r) { return pairs.planes(r); }, first, pairs.units, pairs.v, 0, sums);
    pairs.emit(pair, sums[0], sums[1]);
  }
};

constexpr uint32_t UP_VECTOR_THREADS = 512;

// The first 16 warps make the vector while another one chooses the experts.
extern "C" __global__ void __launch_bounds__(UP_VECTOR_THREADS + 32, 1) experts_up(const __grid_constant__ ExpertsUpArgs args) {
  __shared__ uint32_t ids[MOST_USED];
  __shared__ float weights[MOST_USED];
  if (threadIdx.x < UP_VECTOR_THREADS) prepare_vectors(args.norms, UP_VECTOR_THREADS);
  const Divisor width(args.width);
  keep_loads_above();
  // Behind the wait: the down projection may then count on the router's logits before its own wait.
  wait_for_previous_grid();
  launch_next_grid();
  Vector vectors[2] = {};
  if (threadIdx.x < UP_VECTOR_THREADS) {
    make_vectors(args.norms, vectors, UP_VECTOR_THREADS);
  } else {
    choose_experts(args.router, args.experts, args.used, args.expert_scale, ids, weights);
  }
  __syncthreads();
  if (threadIdx.x >= UP_VECTOR_THREADS) {
    const uint32_t i = lane_of_warp();
    if (blockIdx.x == 0 && i < args.used) {
      args.chosen[i] = ids[i];
      args.weight[i] = weights[i];
      args.trace[args.token->step % args.trace_steps * args.trace_stride + i] = ids[i];
    }
    return;
  }

  const Pairs pairs{args, ids, vectors[0], units_of(args.gate), width};
  const uint32_t all = args.used * args.width, step = gridDim.x * (UP_VECTOR_THREADS / 32);
  uint32_t pair = threadIdx.x / 32 * gridDim.x + blockIdx.x;
  if (pairs.is_mixed()) {
    for (; pair < all; pair += step) {
      const float gate = row_product(args.gate, pairs.row(pair, false), vectors[0]);
      pairs.emit(pair, gate, row_product(args.up, pairs.row(pair, true), vectors[0]));
    }
    return;
  }
  for (; pair < all; pair += 2 * step) {
    // Two pairs are under way at once.
    Pair one, other;
    const bool second = pair + step < all;
    one.begin(pairs, pair);
    if (second) other.begin(pairs, pair + step);
    one.finish(pairs, pair);
    if (second) other.finish(pairs, pair + step);
  }
}

struct ExpertsDownArgs {
  Matrix down;    // [experts][rows] rows
  Matrix shared;  // [rows] rows
  const uint32_t* chosen;
  const float* weight;
  const float* hidden;         // [used][width]
  const float* shared_hidden;  // [shared_width]
  const float* shared_gate;    // one number, before its sigmoid; null: 1
  float* out;                  // [rows]
  float* shared_out;           // null: the shared part is added to the experts'
  uint32_t experts;
  uint32_t used;
  uint32_t width;
  uint32_t rows;
  uint32_t shared_width;
  uint32_t add;  // out += instead of out =
};
static_assert(sizeof(ExpertsDownArgs) == 160, "the host writes this record");

// Most steps of a row that a warp takes; longer rows are cut into pieces.
constexpr uint32_t MOST_DOWN_STEPS = 4;
constexpr int DOWN_SHARED_DEPTH = 2;
// Most pieces of a block's rows.
constexpr uint32_t MOST_DOWN_PIECES = 512;

// Units of all chosen experts' rows number `row` as one sequence, which is the sequence of the hidden vectors.
struct RoutedRow {
  Unit units[MOST_DOWN_STEPS][1];
  // The steps from `step` on. A lane's unit of step d is number `at[d]` of row 0.
  template <class B>
  __device__ __forceinline__ void load(const Planes& planes, const uint32_t (&at)[MOST_DOWN_STEPS], uint32_t row_first) {
#pragma unroll
    for (int d = 0; d < MOST_DOWN_STEPS; d++) {
      units[d][0] = Unit{};
      if (at[d] != ~0u) units[d][0] = B::load(planes, at[d] + row_first, 0);
    }
  }
};

extern "C" __global__ void __launch_bounds__(512, 1) experts_down(const __grid_constant__ ExpertsDownArgs args) {
  __shared__ uint32_t ids[MOST_USED];
  __shared__ float weights[MOST_USED];
  __shared__ float partial[MOST_DOWN_PIECES];
  launch_next_grid();
  const uint32_t units = units_of(args.down), total = units * args.used, steps = (total + 31) / 32;
  const uint32_t rows = blockIdx.x < args.rows ? (args.rows - blockIdx.x + gridDim.x - 1) / gridDim.x : 0;
  const uint32_t wanted = (steps + MOST_DOWN_STEPS - 1) / MOST_DOWN_STEPS;
  const uint32_t pieces = wanted * ((args.rows + gridDim.x - 1) / gridDim.x) <= MOST_DOWN_PIECES ? wanted : 1;
  const uint32_t piece_steps = (steps + pieces - 1) / pieces, shared_units = units_of(args.shared);
  const Divisor by_units(units), by_width(args.width), by_pieces(pieces);
  // The last piece, which may be the shortest, has the shared row as well.
  Batch<1, DOWN_SHARED_DEPTH> beside;
  uint32_t beside_row[1] = {0};
  auto beside_planes = [&](int) { return planes_of(args.shared); };
  uint32_t item = threadIdx.x / 32;
  auto begin = [&] {
    const uint32_t group = by_pieces.quotient(item);
    if (group >= rows || item - group * pieces != pieces - 1) return;
    beside_row[0] = (blockIdx.x + group * gridDim.x) * shared_units;
    beside.begin(args.shared.type, beside_planes, beside_row, shared_units);
  };
  begin();
  keep_loads_above();
  wait_for_previous_grid();

  if (threadIdx.x < args.used) {
    ids[threadIdx.x] = __ldcg(args.chosen + threadIdx.x);
    weights[threadIdx.x] = __ldcg(args.weight + threadIdx.x);
  }
  __syncthreads();
  Workspace space;
  const uint32_t columns = args.used * args.width;
  const VectorStore routed(space, columns, takes_values(args.down), !takes_values(args.down));
  const VectorStore other(space, args.shared_width, takes_values(args.shared), !takes_values(args.shared));
  const float4 nothing = make_float4(0, 0, 0, 0);
  // The weights go into the vector: a row then has one sum.
  for (uint32_t q = threadIdx.x; q < padded(columns) / 4; q += blockDim.x) {
    routed.put(q < columns / 4 ? activation(args.hidden, q) * weights[by_width.quotient(4 * q)] : nothing, q);
  }
  const float gate = args.shared_gate ? sigmoid(__ldcg(args.shared_gate)) : 1.0f;
  for (uint32_t q = threadIdx.x; q < padded(args.shared_width) / 4; q += blockDim.x) {
    other.put(q < args.shared_width / 4 ? activation(args.shared_hidden, q) * gate : nothing, q);
  }
  __syncthreads();

  const Planes planes = planes_of(args.down);
  while (item < rows * pieces) {
    const uint32_t group = by_pieces.quotient(item), piece = item - group * pieces, row = blockIdx.x + group * gridDim.x;
    // Under way while the sum is made.
    const float old = args.add ? __ldcg(args.out + row) : 0;
    const uint32_t first = piece * piece_steps, last = min(first + piece_steps, steps);
    float sums[1] = {0};
    with_block(args.down.type, [&](auto block) {
      using B = decltype(block);
      for (uint32_t from = first; from < last; from += MOST_DOWN_STEPS) {
        uint32_t at[MOST_DOWN_STEPS];
#pragma unroll
        for (int d = 0; d < MOST_DOWN_STEPS; d++) {
          const uint32_t unit = (from + d) * 32 + lane_of_warp(), slot = by_units.quotient(unit);
          at[d] = from + d < last && unit < total ? ids[slot] * args.rows * units + unit - slot * units : ~0u;
        }
        RoutedRow loaded;
        loaded.load<B>(planes, at, row * units);
#pragma unroll
        for (int d = 0; d < MOST_DOWN_STEPS; d++) {
          if (from + d < last) add_products<B>(loaded.units[d], routed.place, from + d, sums);
        }
      }
    });
    float sum = warp_sum(sums[0]);
    float beside_sum[1] = {0};
    if (piece == pieces - 1) beside.finish(args.shared.type, beside_planes, beside_row, shared_units, other.place, 0, beside_sum);
    if (lane_of_warp() == 0) {
      if (args.shared_out) {
        if (piece == pieces - 1) args.shared_out[row] = beside_sum[0];
      } else {
        sum += beside_sum[0];
      }
      if (pieces > 1) {
        partial[item] = sum;
      } else {
        args.out[row] = sum + old;
      }
    }
    item += warps_of_block();
    begin();
  }
  if (pieces == 1) return;
  __syncthreads();
  for (uint32_t i = threadIdx.x; i < rows; i += blockDim.x) {
    float sum = 0;
    for (uint32_t p = 0; p < pieces; p++) sum += partial[i * pieces + p];
    float* out = args.out + blockIdx.x + i * gridDim.x;
    *out = args.add ? *out + sum : sum;
  }
}
