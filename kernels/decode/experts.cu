// The routed experts of a token: gate and up projections, then down projections with the expert that every token uses (or,
// in Gemma, the dense MLP beside). Which rows are read follows from the router's logits on the device.
// A warp takes a pair of rows (up) or a row of all chosen experts (down) at a time.

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

extern "C" __global__ void __launch_bounds__(544, 1) experts_up(const __grid_constant__ ExpertsUpArgs args) {
  __shared__ uint32_t ids[MOST_USED];
  __shared__ float weights[MOST_USED];
  // Behind the wait: the down projection may then count on the router's logits before its own wait.
  wait_for_previous_grid();
  launch_next_grid();
  // The last warp has the least of the vector to make.
  if (threadIdx.x / 32 == blockDim.x / 32 - 1) choose_experts(args.router, args.experts, args.used, args.expert_scale, ids, weights);
  Vector vectors[2];
  make_vectors(args.norms, Workspace{dynamic_shared}, vectors);
  if (blockIdx.x == 0 && threadIdx.x < args.used) {
    args.chosen[threadIdx.x] = ids[threadIdx.x];
    args.weight[threadIdx.x] = weights[threadIdx.x];
    args.trace[args.token->step % args.trace_steps * args.trace_stride + threadIdx.x] = ids[threadIdx.x];
  }

  const bool fused = args.up.plane[0] == nullptr;
  const Matrix& up = fused ? args.gate : args.up;
  const uint32_t pairs = args.used * args.width;
  for (uint32_t pair = threadIdx.x / 32 * gridDim.x + blockIdx.x; pair < pairs; pair += warps_of_grid()) {
    const uint32_t slot = pair / args.width, row = pair - slot * args.width;
    const uint64_t first = static_cast<uint64_t>(ids[slot]) * args.width;
    Batch<2, 2> batch;
    batch.rows[0] = RowOf{&args.gate, fused ? 2 * first + row : first + row};
    batch.rows[1] = RowOf{&up, fused ? 2 * first + args.width + row : first + row};
    batch.begin();
    float sums[2];
    batch.finish(vectors[0], sums);
    const float gate = args.activation == 0 ? silu(sums[0]) : gelu_tanh(sums[0]);
    if (threadIdx.x % 32 == 0) args.out[pair] = gate * sums[1];
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

__device__ __forceinline__ bool takes_values(const Matrix& m) { return m.type == F32 || m.type == F16 || m.type == BF16; }

// Units of all chosen experts' rows as one sequence, which is the sequence of the hidden vectors.
struct RoutedRow {
  const Matrix& down;
  const uint32_t* ids;
  uint32_t rows;
  uint32_t units;  // of one expert's row
  uint32_t total;
  __device__ __forceinline__ Unit load(uint32_t row, uint32_t unit) const {
    const uint32_t slot = unit / units;
    return load_unit(down, static_cast<uint64_t>(ids[slot]) * rows + row, unit - slot * units);
  }
};

constexpr int ROUTED_DEPTH = 4;
constexpr int SHARED_DEPTH = 2;

extern "C" __global__ void __launch_bounds__(512, 1) experts_down(const __grid_constant__ ExpertsDownArgs args) {
  __shared__ uint32_t ids[MOST_USED];
  __shared__ float weights[MOST_USED];
  launch_next_grid();
  uint32_t row = threadIdx.x / 32 * gridDim.x + blockIdx.x;
  Batch<1, SHARED_DEPTH> beside;
  auto begin = [&] {
    beside.rows[0] = RowOf{row < args.rows ? &args.shared : nullptr, row};
    beside.begin();
  };
  begin();
  keep_loads_above();
  wait_for_previous_grid();

  if (threadIdx.x < args.used) {
    ids[threadIdx.x] = __ldcg(args.chosen + threadIdx.x);
    weights[threadIdx.x] = __ldcg(args.weight + threadIdx.x);
  }
  __syncthreads();
  Workspace space{dynamic_shared};
  const uint32_t columns = args.used * args.width;
  const VectorStore routed(space, columns, takes_values(args.down), !takes_values(args.down));
  const VectorStore other(space, args.shared_width, takes_values(args.shared), !takes_values(args.shared));
  // The weights go into the vector: a row then has one sum.
  for (uint32_t q = threadIdx.x; q < columns / 4; q += blockDim.x) {
    routed.put(activation(args.hidden, q) * weights[4 * q / args.width], q);
  }
  const float gate = args.shared_gate ? sigmoid(__ldcg(args.shared_gate)) : 1.0f;
  for (uint32_t q = threadIdx.x; q < args.shared_width / 4; q += blockDim.x) other.put(activation(args.shared_hidden, q) * gate, q);
  __syncthreads();

  const uint32_t units = units_of(args.down);
  const RoutedRow experts{args.down, ids, args.rows, units, units * args.used};
  const Vector hidden = routed.read();
  while (row < args.rows) {
    float sum = 0;
    for (uint32_t base = threadIdx.x % 32; base - threadIdx.x % 32 < experts.total; base += 32 * ROUTED_DEPTH) {
      Unit unit[ROUTED_DEPTH];
#pragma unroll
      for (int d = 0; d < ROUTED_DEPTH; d++) {
        if (base + 32 * d < experts.total) unit[d] = experts.load(row, base + 32 * d);
      }
#pragma unroll
      for (int d = 0; d < ROUTED_DEPTH; d++) {
        if (base + 32 * d < experts.total) sum += dot_unit(args.down, unit[d], base + 32 * d, hidden);
      }
    }
    sum = warp_sum(sum);
    float beside_sum[1];
    beside.finish(other.read(), beside_sum);
    if (threadIdx.x % 32 == 0) {
      if (args.shared_out) {
        args.shared_out[row] = beside_sum[0];
      } else {
        sum += beside_sum[0];
      }
      args.out[row] = args.add ? args.out[row] + sum : sum;
    }
    row += warps_of_grid();
    begin();
  }
}
