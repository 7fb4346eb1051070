// The routed experts of a token, second half: down projections of the experts that experts_up has chosen, with the expert that
// every token uses (or, in Gemma, the dense MLP beside). The choice and the shared expert's numbers are there before the wait: rows
// are fetched and the shared vector is made while experts_up still multiplies.

#include "router.cuh"
#include "slots.cuh"

// Items that are dealt to warps together, being of one type.
struct ItemPass {
  uint32_t first;  // of every pair of rows
  uint32_t each;   // how many of every pair
  uint32_t round;  // what a block's warps take at a time: pairs << 16 | items beyond those
};

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
  uint32_t rows;  // even
  uint32_t shared_width;
  uint32_t add;           // out += instead of out =
  uint32_t units;         // chunks of an expert's row
  uint32_t shared_units;  // chunks of a shared row
  uint32_t first_steps;   // of a pair's first item, of which the shared row's are the first
  uint32_t steps;         // of every other item
  uint32_t items;         // of a pair of rows
  uint32_t ring;          // where rings begin in dynamic shared memory, behind the vectors
  uint32_t slots;         // of a ring
  ItemPass pass[2];       // all items, or the shared row's and those of the experts
  uint32_t passes;
};
static_assert(sizeof(ExpertsDownArgs) == 216, "the host writes this record");

// A row's weights are those of the shared expert and those of each expert chosen, one behind the other, cut into parts of 16
// chunks; a step is two parts, one for each half of a warp, of a pair of rows. A pair's steps are dealt to items, and items to warps.
constexpr uint32_t SPAN = 16;
constexpr uint32_t MOST_PARTS = 128;
// Most items of a block, each with the products of two rows.
constexpr uint32_t MOST_DOWN_ITEMS = 256;

struct alignas(16) Part {
  uint32_t chunk;  // in row 0, counted in its matrix
  uint32_t unit;   // the same, counted in its vector
  uint32_t left;   // chunks from there on
  uint32_t units;  // chunks of a row; of the shared expert's, with the top bit set
};
constexpr uint32_t OF_SHARED = 0x80000000u;

// What the threads of a block share beside the vectors and the rings.
struct DownShared {
  Part parts[MOST_PARTS];
  ItemPass pass;  // that is under way
  uint32_t extras[2][SPAN];  // where each lane's extra lies, of experts and of shared rows, whose planes lie differently far apart
  float weights[MOST_USED];
  float partial[MOST_DOWN_ITEMS][2];
};

// A warp's way through its items of a pass and their steps.
struct PartCursor {
  uint32_t item;   // the block's pair << 16 | the item of that
  uint32_t steps;  // steps to come << 16 | the next one
  uint32_t row;    // the pair's first

  __device__ __forceinline__ void begin(const ExpertsDownArgs& args, const ItemPass& pass) {
    const uint32_t warp = threadIdx.x / 32, n = warp / pass.each;
    item = n << 16 | (pass.first + warp - n * pass.each);
    settle(args);
  }
  __device__ __forceinline__ uint32_t pair() const { return item >> 16; }
  __device__ __forceinline__ void settle(const ExpertsDownArgs& args) {
    const uint32_t k = item & 0xffff;
    row = 2 * (blockIdx.x + pair() * gridDim.x);
    steps = k == 0 ? args.first_steps << 16 : args.steps << 16 | (args.first_steps + (k - 1) * args.steps);
  }
  // To the item of the warp's next turn.
  __device__ __forceinline__ void take_next(const ExpertsDownArgs& args, const ItemPass& pass) {
    item += pass.round;
    if ((item & 0xffff) >= pass.first + pass.each) item += (1 << 16) - pass.each;
    settle(args);
  }
  // Where the item's products lie among those of the block.
  __device__ __forceinline__ uint32_t place(const ExpertsDownArgs& args) const { return pair() * args.items + (item & 0xffff); }
  __device__ __forceinline__ uint32_t step() const { return steps & 0xffff; }
  // False where the item ends.
  __device__ __forceinline__ bool advance() {
    steps -= 0xffff;
    return steps >= 0x10000;
  }
};

// A warp's share of the items of a pass, which are of one type.
template <class B>
struct PartShare {
  using Ring = Slots<B, 4, SPAN>;
  const ExpertsDownArgs& args;
  const Part* parts;
  uint32_t pairs;
  Ring ring;
  PartCursor& ahead;
  DownShared& shared;

  // Others may fetch behind a barrier.
  __device__ __forceinline__ void aim() {
    ring.aim(args.shared);
    if (threadIdx.x < SPAN) shared.extras[1][threadIdx.x] = ring.lane.extra;
    ring.aim(args.down);
    if (threadIdx.x < SPAN) shared.extras[0][threadIdx.x] = ring.lane.extra;
  }
  __device__ __forceinline__ Part part(uint32_t step) const { return parts[2 * step + lane_of_warp() / SPAN]; }
  // Where the part begins in both rows.
  __device__ __forceinline__ void chunks_of(const Part& p, uint32_t row, uint32_t (&chunks)[2]) const {
    const uint32_t units = p.units & ~OF_SHARED;
    chunks[0] = p.chunk + row * units;
    chunks[1] = chunks[0] + units;
  }
  __device__ __forceinline__ void fetch() {
    if (ahead.pair() < pairs) {
      const Part p = part(ahead.step());
      const bool of_shared = p.units & OF_SHARED;
      const uint8_t* const plane = of_shared ? args.shared.plane[0] : args.down.plane[0];
      const uint8_t* const planes[2] = {plane, plane};
      uint32_t chunks[2];
      chunks_of(p, ahead.row, chunks);
      ring.lane.extra = shared.extras[of_shared][lane_of_warp() % SPAN];
      ring.fetch(planes, chunks, p.left);
      if (!ahead.advance()) ahead.take_next(args, shared.pass);
    }
    tile::end_copies();
    ring.next();
  }
  __device__ __forceinline__ void begin() {
    ahead.begin(args, shared.pass);
#pragma unroll 1
    for (uint32_t i = 0; i < ring.count; i++) fetch();
  }
  // An item's products to their place in `partial`.
  __device__ __forceinline__ void multiply(const Vector& v) {
    ring.restart();
    PartCursor here;
    here.begin(args, shared.pass);
    float sums[2] = {0, 0};
    while (here.pair() < pairs) {
      const Part p = part(here.step());
      const uint32_t in_part = lane_of_warp() % SPAN;
      uint32_t chunks[2];
      chunks_of(p, here.row, chunks);
      ring.wait();
      if (in_part < p.left) ring.add(v, p.unit + in_part, chunks, sums);
      // The slot may be filled again.
      __syncwarp();
      fetch();
      if (here.advance()) continue;
      const float sum = warp_sums(sums[0], sums[1]);
      if (lane_of_warp() % 16 == 0) shared.partial[here.place(args)][lane_of_warp() / 16] = sum;
      sums[0] = sums[1] = 0;
      here.take_next(args, shared.pass);
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

template <class TYPES>
__device__ __forceinline__ void experts_down_rows(const ExpertsDownArgs& args, DownShared& shared) {
  Part* const parts = shared.parts;
  float* const weights = shared.weights;
  launch_next_grid();
  const uint32_t all = args.rows / 2, pairs = blockIdx.x < all ? (all - blockIdx.x + gridDim.x - 1) / gridDim.x : 0;
  Lane lane;
  PartCursor ahead;
  auto with_share = [&](uint32_t from, auto f) {
    TYPES::with_block(from ? args.down.type : args.shared.type, [&](auto block) {
      f(PartShare<decltype(block)>{args, parts, pairs, {args.ring, args.slots, lane}, ahead, shared});
    });
  };
  const uint32_t columns = args.used * args.width, routed_octets = columns / 8, shared_octets = args.shared_width / 8;
  const uint32_t first_shared = shared_octet(args);
  const uint32_t parts_of_row = 2 * (args.first_steps + (args.items - 1) * args.steps);
  const Octet nothing = {make_float4(0, 0, 0, 0), make_float4(0, 0, 0, 0)};
  const Vector hidden(0, one_vector(args) ? first_shared * 8 + args.shared_width : columns, takes_values(args.down));
  const Vector beside(hidden.end(columns), args.shared_width, takes_values(args.shared));
  // The choice is there: experts_up lets this grid begin behind it.
  for (uint32_t q = threadIdx.x; q < parts_of_row; q += blockDim.x) parts[q] = part_of(args, q);
  if (threadIdx.x < args.used) weights[threadIdx.x] = __ldcg(args.weight + threadIdx.x);
  // Items of one type are one pass. There is one copy of the code, for the instruction cache's sake.
#pragma unroll 1
  for (uint32_t from = 0; from < args.passes; from++) {
    // By value: a choice of two places in memory would be made again for every step.
    Vector v = hidden;
    if (from == 0 && !one_vector(args)) v = beside;
    with_share(from, [](auto share) { share.aim(); });
    if (threadIdx.x == 0) shared.pass = args.pass[from];
    __syncthreads();
    with_share(from, [](auto share) { share.begin(); });
    if (from == 0) {
      // The gate and the shared expert's numbers are there as well.
      const float gate = args.shared_gate ? sigmoid(__ldcg(args.shared_gate)) : 1.0f;
      // Whole warps make each vector.
      const uint32_t place = one_vector(args) ? first_shared : 0;
#pragma unroll 1
      for (uint32_t i = threadIdx.x; i / 32 * 32 < shared_octets; i += blockDim.x) {
        const Octet x = i < shared_octets ? activation(args.shared_hidden, i) * gate : nothing;
        v.put(x, place + i, place + shared_octets);
      }
      keep_loads_above();
      wait_for_previous_grid();

      // The weights go into the vector: a row then has one sum.
#pragma unroll 1
      for (uint32_t i = threadIdx.x; i / 32 * 32 < routed_octets; i += blockDim.x) {
        hidden.put(i < routed_octets ? activation(args.hidden, i) * weights[i * 8 / args.width] : nothing, i, routed_octets);
      }
      __syncthreads();
    }
    with_share(from, [&](auto share) { share.multiply(v); });
    // Slots of another size begin where those of other warps' pass lie.
    __syncthreads();
  }
  for (uint32_t n = threadIdx.x; n < 2 * pairs; n += blockDim.x) {
    const uint32_t row = 2 * (blockIdx.x + n / 2 * gridDim.x) + n % 2;
    const float(*items)[2] = shared.partial + n / 2 * args.items;
    float sum = args.shared_out ? 0 : items[0][n % 2];
    if (args.shared_out) args.shared_out[row] = items[0][n % 2];
    for (uint32_t k = 1; k < args.items; k++) sum += items[k][n % 2];
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
