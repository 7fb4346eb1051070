// Cuts the blocks of a tensor into planes (matrix.cuh), and puts them together again, bit for bit. A thread copies a 16-bit
// word, which is what every block's parts are aligned to.
#include <cstdint>

struct RepackArgs {
  uint16_t* file;      // blocks as in the file
  uint16_t* plane[4];  // words first[p].. of each block, block after block; null: there is no such plane
  uint64_t blocks;
  uint32_t words;  // of a block
  uint32_t first[4];
  uint32_t count[4];
  uint32_t unused;
};
static_assert(sizeof(RepackArgs) == 88, "the host writes this record");

// Calls f(i) for every i below count.
template <class F>
__device__ __forceinline__ void for_each(uint64_t count, F f) {
  const uint64_t threads = static_cast<uint64_t>(gridDim.x) * blockDim.x;
  for (uint64_t i = static_cast<uint64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += threads) f(i);
}

template <class Copy>
__device__ __forceinline__ void for_each_word(const RepackArgs& args, Copy copy) {
  for_each(args.blocks * args.words, [&](uint64_t i) {
    const uint64_t block = i / args.words;
    const uint32_t word = static_cast<uint32_t>(i - block * args.words);
#pragma unroll
    for (int p = 0; p < 4; p++) {
      const uint32_t at = word - args.first[p];
      if (word >= args.first[p] && at < args.count[p]) copy(args.file[i], args.plane[p][block * args.count[p] + at]);
    }
  });
}

extern "C" __global__ void __launch_bounds__(256) repack(const __grid_constant__ RepackArgs args) {
  for_each_word(args, [](uint16_t& in_file, uint16_t& in_plane) { in_plane = in_file; });
}

extern "C" __global__ void __launch_bounds__(256) restore(const __grid_constant__ RepackArgs args) {
  for_each_word(args, [](uint16_t& in_file, uint16_t& in_plane) { in_file = in_plane; });
}
