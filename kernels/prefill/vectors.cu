// The vectors of a batch: what decode makes of one token's activations (vector.cuh), for every row of a batch at once, with
// the same sums, and left in memory for the products.
//
// Grid (1, rows), a block a row, 8 numbers a thread. As integers a row is [columns / 32] groups of 64 bytes, the upper bytes of
// 32 int16 (signed) and behind them the lower ones (unsigned), so that tensor cores multiply both; and for each group its scale
// and the scale times the sum of its integers.

#include "product.cuh"

struct VectorsArgs {
  Norms norms;      // of the first row
  uint8_t* quants;  // [rows][columns / 32][64]
  float2* factors;  // [rows][factor_stride(columns)]
  float* values;    // [rows][columns]; null: integers are asked for
  uint32_t index;   // which of the two vectors
  uint32_t x_stride, a_stride, b_stride, residual_stride;  // from row to row, in numbers
  uint32_t unused;
};
static_assert(sizeof(VectorsArgs) == 144, "the host writes this record");

extern "C" __global__ void __launch_bounds__(512, 2) prefill_vectors(const __grid_constant__ VectorsArgs args) {
  const uint64_t row = blockIdx.y;
  Norms n = args.norms;
  n.x += row * args.x_stride;
  if (n.a) n.a += row * args.a_stride;
  if (n.b) n.b += row * args.b_stride;
  if (n.residual) n.residual += row * args.residual_stride;
  const Vector v(n.place, n.columns, args.values);
  prepare_vector(n, args.index, blockDim.x);
  make_vector(n, args.index, v, blockDim.x, 0);
  __syncthreads();
  if (v.as_values) {
    float4* const to = reinterpret_cast<float4*>(args.values + row * n.columns);
    for (uint32_t i = threadIdx.x; i < n.columns / 4; i += blockDim.x) to[i] = shared_at<float4>(v.place + i * 16);
    return;
  }
  uint2* const quants = reinterpret_cast<uint2*>(args.quants + row * n.columns * 2);
  for (uint32_t piece = threadIdx.x; piece < n.columns / 8; piece += blockDim.x) {
    const uint4 pairs = shared_at<uint4>(v.place + swizzled(piece) * 16);
    uint2* const to = quants + piece / 4 * 8 + piece % 4;
    to[0] = make_uint2(__byte_perm(pairs.x, pairs.y, 0x7531), __byte_perm(pairs.z, pairs.w, 0x7531));
    to[4] = make_uint2(__byte_perm(pairs.x, pairs.y, 0x6420), __byte_perm(pairs.z, pairs.w, 0x6420));
  }
  const uint32_t groups = n.columns / 32, stride = factor_stride(n.columns);
  float2* const factors = args.factors + row * stride;
  for (uint32_t group = threadIdx.x; group < stride; group += blockDim.x) {
    float2 factor = make_float2(0, 0);
    if (group < groups) {
      const Group& of = shared_at<Group>(v.groups + group * 16);
      factor = make_float2(of.scale, of.sum);
    }
    factors[group] = factor;
  }
}
