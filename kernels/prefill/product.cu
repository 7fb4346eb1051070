// Rows of a quantised matrix, or of the experts', times the vectors of a batch.
//
// A block of 4 warps takes 128 rows (of a pair 64 of each projection) and up to 64 vectors, a warp 32 rows in two tiles of 16 and
// all vectors, 16 at a time; those without vectors are skipped. Columns come in steps of 128 through two buffers, copied
// asynchronously: rows as they are in memory, vectors as int8 planes. A vector's int16 is upper * 256 + lower: a group of 32
// costs two products of tensor cores, whose sum is exact in int32, as decode's is. Then it becomes f32 and is multiplied by
// the factors of row and vector, group after group from the first to the last.
// Invariants: a sum depends on its row and its vector alone, whatever else is in the tile. What a group's weights share is
// prepared by the warp that uses it, behind the copies. Rows behind the last are those of the last and are not stored.

#include "integer_tile.cuh"
#include "product.cuh"
#include "steps.cuh"

namespace product {

constexpr uint32_t THREADS = 128, ROWS = 128, TOKENS = 64, SUBTILES = TOKENS / 8;
constexpr uint32_t QUANT_PITCH = STEP_GROUPS * 64 + 16, FACTOR_PITCH = STEP_GROUPS * 8 + 16;

template <class S>
struct Layout {
  // Of a buffer.
  static constexpr uint32_t QUANTS = ROWS * S::PITCH, FACTORS = QUANTS + TOKENS * QUANT_PITCH;
  static constexpr uint32_t BUFFER = FACTORS + TOKENS * FACTOR_PITCH;
  // Behind both: what rows' groups share, float2 [groups][rows]; output rows of the vectors, and where they lie.
  static constexpr uint32_t SHARES = 2 * BUFFER, ENTRIES = SHARES + STEP_GROUPS * ROWS * 8;
  static constexpr uint32_t VECTORS = ENTRIES + TOKENS * 4, BYTES = VECTORS + TOKENS * 4;
  static_assert(BYTES <= 99 * 1024, "every device has this much");
};

template <uint32_t TYPE>
struct Block {
  using S = Step<TYPE>;
  using L = Layout<S>;
  static constexpr uint32_t SHARES_EACH = 32 * STEP_GROUPS / 32;  // of a lane

  const ProductArgs& args;
  const Tile<TOKENS> tile;
  const uint32_t warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const uint32_t groups;

  __device__ __forceinline__ explicit Block(const ProductArgs& args) : args(args), tile(args), groups(args.matrix.columns / 32) {}

  // The output's row that row `local` of the tile belongs to.
  __device__ __forceinline__ uint32_t row(uint32_t local) const {
    return is_pair(args) ? tile.rows * (ROWS / 2) + local / 32 * 16 + local % 16 : tile.rows * ROWS + local;
  }
  __device__ __forceinline__ bool is_second(uint32_t local) const { return is_pair(args) && local / 16 % 2; }
  __device__ __forceinline__ const Matrix& matrix(bool second) const { return second && !args.fused ? args.up : args.matrix; }
  __device__ __forceinline__ uint64_t source(uint32_t local) const {
    return matrix_row(args, tile.expert, min(row(local), args.rows - 1), is_second(local));
  }

  __device__ __forceinline__ void fetch(uint32_t step) const {
    const uint32_t buffer = step % 2 * L::BUFFER, to = tile::shared_address(dynamic_shared) + buffer;
    constexpr uint32_t QUANT_PIECES = STEP_GROUPS * 4, FACTOR_PIECES = STEP_GROUPS / 2;
#pragma unroll 1
    for (uint32_t i = threadIdx.x; i < ROWS * S::PIECES; i += THREADS) {
      const uint32_t local = i / S::PIECES, piece = i % S::PIECES;
      const Matrix& m = matrix(is_second(local));
      const uint32_t at = to + local * S::PITCH + piece * 16;
      if (S::exists(m, step, piece)) {
        tile::copy_async(at, S::piece(m, source(local), step, piece));
      } else {
        tile::copy_zeros(at, m.plane[0]);
      }
    }
#pragma unroll 1
    for (uint32_t i = threadIdx.x; i < TOKENS * QUANT_PIECES; i += THREADS) {
      const uint32_t token = i / QUANT_PIECES, piece = i % QUANT_PIECES;
      if (token >= tile.count) break;
      const uint32_t at = to + L::QUANTS + token * QUANT_PITCH + piece * 16;
      const uint64_t vector = shared_at<uint32_t>(L::VECTORS + token * 4);
      if (step * STEP_GROUPS + piece / 4 < groups) {
        tile::copy_async(at, args.quants + (vector * groups + step * STEP_GROUPS) * 64 + piece * 16);
      } else {
        tile::copy_zeros(at, args.quants);
      }
    }
#pragma unroll 1
    for (uint32_t i = threadIdx.x; i < TOKENS * FACTOR_PIECES; i += THREADS) {
      const uint32_t token = i / FACTOR_PIECES, piece = i % FACTOR_PIECES;
      if (token >= tile.count) break;
      const uint64_t vector = shared_at<uint32_t>(L::VECTORS + token * 4);
      const float2* const from = args.factors + vector * factor_stride(args.matrix.columns) + step * STEP_GROUPS + piece * 2;
      tile::copy_async(to + L::FACTORS + token * FACTOR_PITCH + piece * 16, from);
    }
    tile::end_copies();
  }

  // Lane l takes rows l of the warp's 32, all groups.
  __device__ __forceinline__ void fetch_raw(Raw (&raw)[SHARES_EACH], uint32_t step) const {
    const uint32_t local = warp * 32 + lane;
    const Matrix& m = matrix(is_second(local));
    const uint64_t at = source(local);
#pragma unroll
    for (uint32_t group = 0; group < SHARES_EACH; group++) raw[group] = S::raw(m, at, step, group);
  }
  __device__ __forceinline__ void prepare(const Raw (&raw)[SHARES_EACH], uint32_t step) const {
    const uint32_t local = warp * 32 + lane, at = step % 2 * L::BUFFER + local * S::PITCH;
#pragma unroll
    for (uint32_t group = 0; group < SHARES_EACH; group++) {
      shared_at<float2>(L::SHARES + (group * ROWS + local) * 8) = S::factors(raw[group], at, step, group);
      if constexpr (S::STORES_RAW) shared_at<uint32_t>(at + 64 + group * 4) = raw[group].b;
    }
    __syncwarp();
  }

  // The products of a group's 32 rows and 16 vectors, tile by tile. `KEEP` says which halves of the 32 columns count: products
  // depend on each other in pairs, so four of them go side by side.
  template <uint32_t KEEP>
  static __device__ __forceinline__ void products(int (&c)[2][2][4], const uint32_t (&a)[2][4], const uint32_t (&x)[2][4]) {
    const bool first = KEEP & 1, last = KEEP & 2;
#pragma unroll
    for (uint32_t n = 0; n < 4; n++) tile::multiply_signed(c[n / 2][n % 2], a[n % 2], first ? x[n / 2][0] : 0, last ? x[n / 2][1] : 0);
#pragma unroll
    for (uint32_t n = 0; n < 16; n++) c[n / 8][n / 4 % 2][n % 4] *= 256;
#pragma unroll
    for (uint32_t n = 0; n < 4; n++) tile::multiply_unsigned(c[n / 2][n % 2], a[n % 2], first ? x[n / 2][2] : 0, last ? x[n / 2][3] : 0);
  }

  // Adds a group's products of 32 rows and 16 vectors, two subtiles from `j` on. `of_rows` are the shares of rows g and g + 8
  // of both tiles, `of_vectors` the factors of vectors 2t and 2t + 1 of both subtiles.
  static __device__ __forceinline__ void add(float (&sums)[2][SUBTILES][4], uint32_t j, const uint32_t (&a)[2][4], const uint32_t (&x)[2][4],
                                             const float2 (&of_rows)[2][2], const float2 (&of_vectors)[2][2]) {
    int c[2][2][4] = {};
    if constexpr (S::HALVES) {
      int last[2][2][4] = {};
      products<1>(c, a, x);
      products<2>(last, a, x);
#pragma unroll
      for (uint32_t n = 0; n < 16; n++) {
        const uint32_t s = n / 8, mi = n / 4 % 2, i = n % 4;
        const float2 r = of_rows[mi][i / 2];
        const float scaled = fmaf(r.y, static_cast<float>(last[s][mi][i]), r.x * static_cast<float>(c[s][mi][i]));
        sums[mi][j + s][i] = fmaf(of_vectors[s][i % 2].x, scaled, sums[mi][j + s][i]);
      }
      return;
    }
    products<3>(c, a, x);
#pragma unroll
    for (uint32_t n = 0; n < 16; n++) {
      const uint32_t s = n / 8, mi = n / 4 % 2, i = n % 4;
      const float2 r = of_rows[mi][i / 2], v = of_vectors[s][i % 2];
      float& sum = sums[mi][j + s][i];
      sum = fmaf(r.x * v.x, static_cast<float>(c[s][mi][i]), sum);
      if constexpr (S::MINIMUM) sum = fmaf(r.y, v.y, sum);
    }
  }

  __device__ __forceinline__ void multiply(float (&sums)[2][SUBTILES][4], uint32_t step) const {
    const uint32_t buffer = step % 2 * L::BUFFER, g = lane / 4, t = lane % 4;
    const uint32_t x_at = tile::shared_address(dynamic_shared) + buffer + L::QUANTS + lane % 8 * QUANT_PITCH + lane / 8 * 16;
#pragma unroll 1
    for (uint32_t group = 0; group < STEP_GROUPS; group++) {
      uint32_t a[2][4];
      float2 of_rows[2][2];
#pragma unroll
      for (uint32_t mi = 0; mi < 2; mi++) {
        const uint32_t first = warp * 32 + mi * 16;
        S::fragment(a[mi], buffer + first * S::PITCH, step, group);
#pragma unroll
        for (uint32_t i = 0; i < 2; i++) of_rows[mi][i] = shared_at<float2>(L::SHARES + (group * ROWS + first + g + i * 8) * 8);
      }
#pragma unroll
      for (uint32_t j = 0; j < SUBTILES; j += 2) {
        // What lies there of vectors that are not is multiplied and forgotten.
        if (j * 8 >= tile.count) break;
        uint32_t x[2][4];
        float2 of_vectors[2][2];
#pragma unroll
        for (uint32_t s = 0; s < 2; s++) {
          tile::load_matrices(x[s], x_at + (j + s) * 8 * QUANT_PITCH + group * 64);
#pragma unroll
          for (uint32_t i = 0; i < 2; i++) {
            of_vectors[s][i] = shared_at<float2>(buffer + L::FACTORS + ((j + s) * 8 + 2 * t + i) * FACTOR_PITCH + group * 8);
          }
        }
        add(sums, j, a, x, of_rows, of_vectors);
      }
    }
  }

  __device__ __forceinline__ void store(const float (&sums)[2][SUBTILES][4]) const {
#pragma unroll
    for (uint32_t j = 0; j < SUBTILES; j++) {
      if (j * 8 >= tile.count) break;
#pragma unroll
      for (uint32_t i = 0; i < 4; i++) {
        const uint32_t entry = shared_at<uint32_t>(L::ENTRIES + (j * 8 + lane % 4 * 2 + i % 2) * 4);
        if (entry == NO_ROW) continue;
        const uint32_t local = warp * 32 + lane / 4 + i / 2 * 8, first = row(local), second = row(local + 16);
        if (is_pair(args)) {
          if (first < args.rows) put_sum(args, entry, first, gated(args, sums[0][j][i], sums[1][j][i]));
          continue;
        }
        if (first < args.rows) put_sum(args, entry, first, sums[0][j][i]);
        if (second < args.rows) put_sum(args, entry, second, sums[1][j][i]);
      }
    }
  }
};

template <uint32_t TYPE>
__device__ __forceinline__ void run(const ProductArgs& args) {
  using B = Block<TYPE>;
  const B block(args);
  if (block.tile.count == 0) return;
  if (threadIdx.x < TOKENS) {
    const uint32_t entry = block.tile.entry(args, threadIdx.x);
    shared_at<uint32_t>(B::L::ENTRIES + threadIdx.x * 4) = entry;
    shared_at<uint32_t>(B::L::VECTORS + threadIdx.x * 4) = entry / args.divide;
  }
  __syncthreads();
  const uint32_t steps = (block.groups + STEP_GROUPS - 1) / STEP_GROUPS;
  Raw raw[B::SHARES_EACH];
  block.fetch(0);
  block.fetch_raw(raw, 0);
  float sums[2][SUBTILES][4] = {};
#pragma unroll 1
  for (uint32_t step = 0; step < steps; step++) {
    tile::wait_copies<0>();
    // The other buffer's products are done, too.
    __syncthreads();
    block.prepare(raw, step);
    if (step + 1 < steps) {
      block.fetch(step + 1);
      block.fetch_raw(raw, step + 1);
    }
    block.multiply(sums, step);
  }
  block.store(sums);
}

}  // namespace product

#define PRODUCT(NAME, TYPE)                                                    \
  extern "C" __global__ void __launch_bounds__(product::THREADS, 3)            \
      prefill_product_##NAME(const __grid_constant__ ProductArgs args) {       \
    product::run<TYPE>(args);                                                  \
  }
PRODUCT(q4_k, Q4_K)
PRODUCT(q5_k, Q5_K)
PRODUCT(q6_k, Q6_K)
PRODUCT(q8_0, Q8_0)
PRODUCT(q5_0, Q5_0)
PRODUCT(q5_1, Q5_1)
#undef PRODUCT
