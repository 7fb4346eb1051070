// Reads the KV cache of one layer with the access pattern of split-KV decode attention, without its arithmetic.
// Layout: k and v are [tokens][kv_heads][row_units] of 16 bytes, row_units = head_dim * 2 / 16 (f16), a power of two.
// Grid (splits, kv_heads): a block reads its share of the tokens of one head, first keys, then values; it writes the 64-bit
// sum of all its words to out[head * splits + split]. A tensor has fewer than 2^32 units.
// Bytes moved: 2 * tokens * kv_heads * row_units * 16.

#include "memory_access.cuh"

extern "C" __global__ void __launch_bounds__(512, 2) kv_read(const uint4* k, const uint4* v, uint32_t tokens, uint32_t kv_heads,
                                                          uint32_t row_shift, uint64_t* out) {
  const uint32_t splits = gridDim.x, head = blockIdx.y;
  const uint32_t begin = static_cast<uint32_t>(static_cast<uint64_t>(tokens) * blockIdx.x / splits);
  const uint32_t end = static_cast<uint32_t>(static_cast<uint64_t>(tokens) * (blockIdx.x + 1) / splits);
  const uint32_t token_stride = kv_heads << row_shift;
  const uint32_t first = begin * token_stride + (head << row_shift);
  const uint32_t mask = (1u << row_shift) - 1, count = (end - begin) << row_shift;
  // Keys and values as one sequence: a short context must not wait for memory twice.
  auto unit = [=](uint32_t i) {
    const uint32_t at = i < count ? i : i - count;
    return (i < count ? k : v) + (first + (at >> row_shift) * token_stride + (at & mask));
  };
  const uint64_t sum = strided_sum<4>(threadIdx.x, blockDim.x, 2 * count, unit);
  store_block_sum(sum, out + head * splits + blockIdx.x);
}
