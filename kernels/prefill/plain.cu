// Rows of a matrix of plain numbers (F32, F16, BF16) times the vectors of a batch, in f32: routers, and what files keep as it is.
//
// A block of 256 threads takes 64 rows (of a pair 32 of each projection) and 64 vectors, a thread 4 by 4 of them, in steps of
// 32 columns through shared memory. Each sum runs over the columns from the first to the last.

#include "product.cuh"

namespace plain {

constexpr uint32_t THREADS = 256, ROWS = 64, TOKENS = 64, COLUMNS = 32, PITCH = 68;

__device__ __forceinline__ float4 weights(const Matrix& m, uint64_t row, uint32_t column) {
  const uint64_t at = row * m.columns + column;
  if (m.type == F32) return load_read_only<float4>(m.plane[0] + at * 4);
  const uint2 words = load_read_only<uint2>(m.plane[0] + at * 2);
  if (m.type == F16) return make_float4(half_bits(words.x), half_bits(words.x >> 16), half_bits(words.y), half_bits(words.y >> 16));
  auto low = [](uint32_t w) { return __uint_as_float(w << 16); };
  auto high = [](uint32_t w) { return __uint_as_float(w & 0xffff0000u); };
  return make_float4(low(words.x), high(words.x), low(words.y), high(words.y));
}

// Columns lie in rows of shared memory, so that a thread reads neighbouring rows or vectors at once.
__device__ __forceinline__ void put(uint32_t to, uint32_t quad, uint32_t i, float4 x) {
  const float each[4] = {x.x, x.y, x.z, x.w};
#pragma unroll
  for (uint32_t k = 0; k < 4; k++) shared_at<float>(to + ((quad * 4 + k) * PITCH + i) * 4) = each[k];
}

__device__ __forceinline__ void run(const ProductArgs& args) {
  constexpr uint32_t X = COLUMNS * PITCH * 4;
  const Tile<TOKENS> tile(args);
  if (tile.count == 0) return;
  const bool pair = is_pair(args);
  const uint32_t columns = args.matrix.columns, first_row = tile.rows * (pair ? ROWS / 2 : ROWS);
  // Row i of the tile, of a pair the second half from the up projection.
  auto row_of = [&](uint32_t i) { return first_row + (pair ? i % (ROWS / 2) : i); };
  const uint32_t own_row = threadIdx.x / 16 * (pair ? 2 : 4), own_token = threadIdx.x % 16 * 4;
  float sums[4][4] = {};
  // A thread fetches the same rows and vectors of every step, a step ahead.
  constexpr uint32_t FETCHES = ROWS * COLUMNS / 4 / THREADS, QUADS = COLUMNS / 4;
  const uint32_t quad = threadIdx.x % QUADS;
  uint64_t row[FETCHES];
  uint32_t entry[FETCHES];
  float4 w[FETCHES], x[FETCHES];
#pragma unroll
  for (uint32_t i = 0; i < FETCHES; i++) {
    const uint32_t local = threadIdx.x / QUADS + i * (THREADS / QUADS);
    row[i] = matrix_row(args, tile.expert, min(row_of(local), args.rows - 1), pair && local >= ROWS / 2);
    entry[i] = tile.entry(args, local);
    if (entry[i] != NO_ROW) entry[i] /= args.divide;
  }
  auto fetch = [&](uint32_t begin) {
    const uint32_t column = begin + quad * 4;
#pragma unroll
    for (uint32_t i = 0; i < FETCHES; i++) {
      const bool second = pair && threadIdx.x / QUADS + i * (THREADS / QUADS) >= ROWS / 2;
      w[i] = x[i] = make_float4(0, 0, 0, 0);
      if (column >= columns) continue;
      w[i] = weights(second && !args.fused ? args.up : args.matrix, row[i], column);
      const uint64_t at = static_cast<uint64_t>(entry[i]) * columns + column;
      if (entry[i] != NO_ROW) x[i] = __ldcg(reinterpret_cast<const float4*>(args.values + at));
    }
  };
  fetch(0);
  for (uint32_t begin = 0; begin < columns; begin += COLUMNS) {
#pragma unroll
    for (uint32_t i = 0; i < FETCHES; i++) {
      const uint32_t local = threadIdx.x / QUADS + i * (THREADS / QUADS);
      put(0, quad, local, w[i]);
      put(X, quad, local, x[i]);
    }
    __syncthreads();
    fetch(begin + COLUMNS);
#pragma unroll 8
    for (uint32_t k = 0; k < COLUMNS; k++) {
      float of_rows[4];
      if (pair) {
#pragma unroll
        for (uint32_t r = 0; r < 4; r++) of_rows[r] = shared_at<float>((k * PITCH + own_row + r % 2 + r / 2 * (ROWS / 2)) * 4);
      } else {
        const float4 four = shared_at<float4>((k * PITCH + own_row) * 4);
        of_rows[0] = four.x, of_rows[1] = four.y, of_rows[2] = four.z, of_rows[3] = four.w;
      }
      const float4 four = shared_at<float4>(X + (k * PITCH + own_token) * 4);
      const float of_vectors[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
      for (uint32_t r = 0; r < 4; r++) {
#pragma unroll
        for (uint32_t t = 0; t < 4; t++) sums[r][t] = fmaf(of_rows[r], of_vectors[t], sums[r][t]);
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (uint32_t t = 0; t < 4; t++) {
    const uint32_t to = tile.entry(args, own_token + t);
    if (to == NO_ROW) continue;
#pragma unroll
    for (uint32_t r = 0; r < 4; r++) {
      if (pair && r >= 2) break;
      const uint32_t own = first_row + own_row + r;
      if (own < args.rows) put_sum(args, to, own, pair ? gated(args, sums[r][t], sums[r + 2 > 3 ? 3 : r + 2][t]) : sums[r][t]);
    }
  }
}

}  // namespace plain

extern "C" __global__ void __launch_bounds__(plain::THREADS, 2) prefill_plain(const __grid_constant__ ProductArgs args) { plain::run(args); }
