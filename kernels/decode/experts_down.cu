// The routed experts of a token, second half: down projections of the experts that experts_up has chosen, with the expert that
// every token uses (or, in Gemma, the dense MLP beside). The choice and the shared expert's numbers are there before the wait: rows
// are fetched and the shared vector is made while experts_up still multiplies.

#include "divisor.cuh"
#include "router.cuh"
#include "slots.cuh"

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
  uint32_t add;           // out += instead of out =
  uint32_t units;         // chunks of an expert's row
  uint32_t shared_units;  // chunks of a shared row
  uint32_t first_steps;   // of a row's first item, of which the shared row's are the first
  uint32_t steps;         // of every other item
  uint32_t items;         // of a row
  uint32_t ring;          // where rings begin in dynamic shared memory, behind the vectors
  uint32_t slots;         // of a ring
  uint32_t unused;
};
static_assert(sizeof(ExpertsDownArgs) == 192, "the host writes this record");

// A row's weights are those of the shared expert and those of each expert chosen, one behind the other, cut into parts of 16
// chunks; a step is two parts, one for each half of a warp. A row's steps are dealt to items, and items to warps.
constexpr uint32_t SPAN = 16;
constexpr uint32_t MOST_PARTS = 128;
// Most items of a block.
constexpr uint32_t MOST_DOWN_ITEMS = 512;

struct alignas(16) Part {
  uint32_t chunk;  // in row 0, counted in its matrix
  uint32_t unit;   // the same, counted in its vector
  uint32_t left;   // chunks from there on
  uint32_t units;  // chunks of a row; of the shared expert's, with the top bit set
};
constexpr uint32_t OF_SHARED = 0x80000000u;

// A warp's way through the steps of its items, `each` of every row from `from` on.
struct PartCursor {
  uint32_t item;
  uint32_t step, end;
  uint32_t row;
  uint32_t place;  // of the item's product among those of the block

  __device__ __forceinline__ void settle(const ExpertsDownArgs& args, uint32_t from, uint32_t each, Divisor by_each) {
    const uint32_t n = by_each.divide(item), k = from + item - n * each;
    row = blockIdx.x + n * gridDim.x;
    place = n * args.items + k;
    step = k == 0 ? 0 : args.first_steps + (k - 1) * args.steps;
    end = step + (k == 0 ? args.first_steps : args.steps);
  }
};

// A warp's share of a block's items, `each` of every row from `from` on, which are of one type.
template <class B>
struct PartShare {
  using Ring = Slots<B, 2, SPAN>;
  const ExpertsDownArgs& args;
  const Part* parts;
  uint32_t rows, from, each;
  Divisor by_each;
  Ring ring;
  PartCursor& ahead;
  // Where the lane's extra lies: planes of experts and of shared rows lie differently far apart.
  uint32_t &extra_of_experts, &extra_of_shared;

  __device__ __forceinline__ void aim() {
    ring.aim(args.shared);
    extra_of_shared = ring.lane.extra;
    ring.aim(args.down);
    extra_of_experts = ring.lane.extra;
    ahead.item = threadIdx.x / 32;
    ahead.settle(args, from, each, by_each);
  }
  __device__ __forceinline__ Part part(uint32_t step) const { return parts[2 * step + lane_of_warp() / SPAN]; }
  __device__ __forceinline__ void fetch() {
    if (ahead.item < rows * each) {
      const Part p = part(ahead.step);
      const bool shared = p.units & OF_SHARED;
      const uint8_t* const planes[1] = {shared ? args.shared.plane[0] : args.down.plane[0]};
      const uint32_t chunk[1] = {p.chunk + ahead.row * (p.units & ~OF_SHARED)};
      const uint32_t of_shared = extra_of_shared, of_experts = extra_of_experts;
      ring.lane.extra = shared ? of_shared : of_experts;
      ring.fetch(planes, chunk, p.left);
      if (++ahead.step == ahead.end) {
        ahead.item += blockDim.x / 32;
        ahead.settle(args, from, each, by_each);
      }
    }
    tile::end_copies();
    ring.next();
  }
  __device__ __forceinline__ void begin() {
#pragma unroll 1
    for (uint32_t i = 0; i < ring.count; i++) fetch();
  }
  // An item's product to its place in `partial`.
  __device__ __forceinline__ void multiply(const Vector& v, float* partial) {
    ring.restart();
    PartCursor here;
    here.item = threadIdx.x / 32;
    here.settle(args, from, each, by_each);
    float sums[1] = {0};
    while (here.item < rows * each) {
      const Part p = part(here.step);
      const uint32_t chunk[1] = {p.chunk + here.row * (p.units & ~OF_SHARED)}, in_part = lane_of_warp() % SPAN;
      ring.wait();
      if (in_part < p.left) ring.add(v, p.unit + in_part, chunk, sums);
      // The slot may be filled again.
      __syncwarp();
      fetch();
      if (++here.step < here.end) continue;
      sums[0] = warp_sum(sums[0]);
      if (lane_of_warp() == 0) partial[here.place] = sums[0];
      sums[0] = 0;
      here.item += blockDim.x / 32;
      here.settle(args, from, each, by_each);
    }
  }
};

// Both vectors are one where they have one form: the experts', then, from a whole group of warps' work on, the shared one.
__device__ __forceinline__ bool one_vector(const ExpertsDownArgs& args) { return takes_values(args.shared) == takes_values(args.down); }
__device__ __forceinline__ uint32_t shared_octet(const ExpertsDownArgs& args) { return (args.used * args.width / 8 + 31) / 32 * 32; }

// Part `q` of every row.
__device__ __forceinline__ Part part_of(const ExpertsDownArgs& args, uint32_t q) {
  const uint32_t of_shared = (args.shared_units + SPAN - 1) / SPAN, of_expert = (args.units + SPAN - 1) / SPAN;
  if (q < of_shared) {
    const uint32_t before = one_vector(args) ? shared_octet(args) * 8 / (args.shared_width / args.shared_units) : 0;
    return Part{q * SPAN, before + q * SPAN, args.shared_units - q * SPAN, args.shared_units | OF_SHARED};
  }
  // Where the shared row has items of its own, the experts' begin with a step.
  const bool apart = args.shared_out || args.shared.type != args.down.type;
  if (apart && q < 2 * args.first_steps) return Part{0, 0, 0, 0};
  q -= apart ? 2 * args.first_steps : of_shared;
  const uint32_t slot = q / of_expert, at = (q - slot * of_expert) * SPAN;
  if (slot >= args.used) return Part{0, 0, 0, 0};
  const uint32_t expert = __ldcg(args.chosen + slot);
  return Part{expert * args.rows * args.units + at, slot * args.units + at, args.units - at, args.units};
}

// What the threads of a block share beside the vectors and the rings.
struct DownShared {
  Part parts[MOST_PARTS];
  float weights[MOST_USED];
  float partial[MOST_DOWN_ITEMS];
};

template <class TYPES>
__device__ __forceinline__ void experts_down_rows(const ExpertsDownArgs& args, DownShared& shared) {
  Part* const parts = shared.parts;
  float *const weights = shared.weights, *const partial = shared.partial;
  launch_next_grid();
  const uint32_t rows = blockIdx.x < args.rows ? (args.rows - blockIdx.x + gridDim.x - 1) / gridDim.x : 0;
  const bool alike = args.shared.type == args.down.type;
  Lane lane;
  PartCursor ahead;
  uint32_t extra_of_experts, extra_of_shared;
  auto with_share = [&](uint32_t type, uint32_t from, uint32_t each, Divisor by_each, auto f) {
    TYPES::with_block(type, [&](auto block) {
      using Share = PartShare<decltype(block)>;
      f(Share{args, parts, rows, from, each, by_each, {args.ring, args.slots, lane}, ahead, extra_of_experts, extra_of_shared});
    });
  };
  // Items of one type are one pass.
  const uint32_t of_first = alike ? args.items : 1;
  const Divisor by_first(of_first);
  with_share(args.shared.type, 0, of_first, by_first, [](auto share) { share.aim(); });
  const uint32_t columns = args.used * args.width, routed_octets = columns / 8, shared_octets = args.shared_width / 8;
  const uint32_t first_shared = shared_octet(args);
  const uint32_t parts_of_row = 2 * (args.first_steps + (args.items - 1) * args.steps);
  // The choice is there: experts_up lets this grid begin behind it.
  for (uint32_t q = threadIdx.x; q < parts_of_row; q += blockDim.x) parts[q] = part_of(args, q);
  if (threadIdx.x < args.used) weights[threadIdx.x] = __ldcg(args.weight + threadIdx.x);
  __syncthreads();
  with_share(args.shared.type, 0, of_first, by_first, [](auto share) { share.begin(); });
  // So are the gate and the shared expert's numbers.
  const Octet nothing = {make_float4(0, 0, 0, 0), make_float4(0, 0, 0, 0)};
  const float gate = args.shared_gate ? sigmoid(__ldcg(args.shared_gate)) : 1.0f;
  const Vector hidden(0, one_vector(args) ? first_shared * 8 + args.shared_width : columns, takes_values(args.down));
  const Vector beside(hidden.end(columns), args.shared_width, takes_values(args.shared));
  // Whole warps make each vector.
#pragma unroll 1
  for (uint32_t i = threadIdx.x; i / 32 * 32 < shared_octets; i += blockDim.x) {
    const Octet x = i < shared_octets ? activation(args.shared_hidden, i) * gate : nothing;
    if (one_vector(args)) {
      hidden.put(x, first_shared + i, first_shared + shared_octets);
    } else {
      beside.put(x, i, shared_octets);
    }
  }
  keep_loads_above();
  wait_for_previous_grid();

  // The weights go into the vector: a row then has one sum.
#pragma unroll 1
  for (uint32_t i = threadIdx.x; i / 32 * 32 < routed_octets; i += blockDim.x) {
    hidden.put(i < routed_octets ? activation(args.hidden, i) * weights[i * 8 / args.width] : nothing, i, routed_octets);
  }
  // By value: a choice of two places in memory would be made again for every step.
  Vector first = hidden;
  if (!one_vector(args)) first = beside;
  __syncthreads();
  with_share(args.shared.type, 0, of_first, by_first, [&](auto share) { share.multiply(first, partial); });
  if (!alike) {
    // Slots of another size: those of other warps' first pass lie there.
    __syncthreads();
    with_share(args.down.type, 1, args.items - 1, Divisor(args.items - 1), [&](auto share) {
      share.aim();
      share.begin();
      share.multiply(hidden, partial);
    });
  }
  __syncthreads();
  for (uint32_t n = threadIdx.x; n < rows; n += blockDim.x) {
    const uint32_t row = blockIdx.x + n * gridDim.x;
    const float* items = partial + n * args.items;
    float sum = args.shared_out ? 0 : items[0];
    if (args.shared_out) args.shared_out[row] = items[0];
    for (uint32_t k = 1; k < args.items; k++) sum += items[k];
    if (args.add) {
      add_at(args.out + row, sum);
    } else {
      args.out[row] = sum;
    }
  }
}

extern "C" __global__ void __launch_bounds__(512, 1) experts_down(const __grid_constant__ ExpertsDownArgs args) {
  __shared__ DownShared shared;
  experts_down_rows<AllTypes>(args, shared);
}

// For the down projections of Qwen's Q4_K_M files, and of Gemma's.
extern "C" __global__ void __launch_bounds__(512, 2) experts_down_k(const __grid_constant__ ExpertsDownArgs args) {
  __shared__ DownShared shared;
  experts_down_rows<Types<Q4_K, Q6_K>>(args, shared);
}
extern "C" __global__ void __launch_bounds__(512, 2) experts_down_q(const __grid_constant__ ExpertsDownArgs args) {
  __shared__ DownShared shared;
  experts_down_rows<Types<Q5_0, Q8_0>>(args, shared);
}
