// Cuts the blocks of a tensor into planes (matrix.cuh), and puts them together again, bit for bit.
// Q8_0, Q5_0, Q5_1: a thread copies a 16-bit word, which is what every block's parts are aligned to.
// Q5_K, Q6_K: a thread takes the units of a block that share bytes of upper bits, and gathers or scatters those bits.
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

// Byte `at` of plane `p` of block `block`.
__device__ __forceinline__ uint8_t* in_plane(const RepackArgs& args, uint32_t p, uint64_t block, uint32_t at) {
  return reinterpret_cast<uint8_t*>(args.plane[p]) + block * args.count[p] * 2 + at;
}
__device__ __forceinline__ uint8_t* in_file(const RepackArgs& args, uint64_t block, uint32_t at) {
  return reinterpret_cast<uint8_t*>(args.file) + block * args.words * 2 + at;
}

// Copies `count` bytes, to the plane or back.
__device__ __forceinline__ void move_bytes(bool back, uint8_t* in_file, uint8_t* in_plane, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) (back ? in_file : in_plane)[i] = (back ? in_plane : in_file)[i];
}

// Q5_K, file: header 16 | fifth bits 32 | nibbles 128. Bit 2j (+ 1) of byte 16h + i is that of weight i in the low (high)
// nibbles of unit 2j + h, where it becomes bit i % 4 * 8 + i / 4 (+ 4) of a word.
__device__ __forceinline__ void move_q5_k(const RepackArgs& args, bool back) {
  for_each(args.blocks * 2, [&](uint64_t n) {
    const uint64_t block = n / 2;
    const uint32_t h = n % 2;
    move_bytes(back, in_file(args, block, 48 + 64 * h), in_plane(args, 0, block, 64 * h), 64);
    move_bytes(back, in_file(args, block, 8 * h), in_plane(args, 2, block, 8 * h), 8);
    uint8_t* bytes = in_file(args, block, 16 + 16 * h);
    uint32_t* words = reinterpret_cast<uint32_t*>(in_plane(args, 1, block, 0));
    uint32_t unit[4];
    for (uint32_t j = 0; j < 4; j++) unit[j] = back ? words[2 * j + h] : 0;
    for (uint32_t i = 0; i < 16; i++) {
      const uint32_t low = i % 4 * 8 + i / 4, high = low + 4;
      uint32_t byte = back ? 0 : bytes[i];
      for (uint32_t j = 0; j < 4; j++) {
        if (back) {
          byte |= (unit[j] >> low & 1) << 2 * j | (unit[j] >> high & 1) << (2 * j + 1);
        } else {
          unit[j] |= (byte >> 2 * j & 1) << low | (byte >> (2 * j + 1) & 1) << high;
        }
      }
      if (back) bytes[i] = static_cast<uint8_t>(byte);
    }
    for (uint32_t j = 0; j < 4 && !back; j++) words[2 * j + h] = unit[j];
  });
}

// Q6_K, file: nibbles 128 | bit pairs 64 | scales 16 | d. With c < 2, the pairs at bits 2c and 2c + 4 of byte 32n + 16h + i
// are those of weight i in the low and high nibbles of unit 4n + 2c + h, where they become bits i % 4 * 8 + i / 4 * 2 of its
// two words. Its scales are numbers 8n + 2c + h and 4 behind.
__device__ __forceinline__ void move_q6_k(const RepackArgs& args, bool back) {
  for_each(args.blocks * 4, [&](uint64_t n4) {
    const uint64_t block = n4 / 4;
    const uint32_t n = n4 % 4 / 2, h = n4 % 2;
    move_bytes(back, in_file(args, block, 32 * (n4 % 4)), in_plane(args, 0, block, 32 * (n4 % 4)), 32);
    if (n4 % 4 == 0) move_bytes(back, in_file(args, block, 208), in_plane(args, 3, block, 0), 2);
    uint8_t* bytes = in_file(args, block, 128 + 32 * n + 16 * h);
    uint32_t word[2][2];
    for (uint32_t c = 0; c < 2; c++) {
      const uint32_t unit = 4 * n + 2 * c + h;
      const uint32_t* words = reinterpret_cast<const uint32_t*>(in_plane(args, 1, block, 8 * unit));
      for (uint32_t k = 0; k < 2; k++) {
        word[c][k] = back ? words[k] : 0;
        move_bytes(back, in_file(args, block, 192 + 8 * n + 2 * c + h + 4 * k), in_plane(args, 2, block, 2 * unit + k), 1);
      }
    }
    for (uint32_t i = 0; i < 16; i++) {
      const uint32_t at = i % 4 * 8 + i / 4 * 2;
      uint32_t byte = back ? 0 : bytes[i];
      for (uint32_t c = 0; c < 2; c++) {
        for (uint32_t k = 0; k < 2; k++) {
          if (back) {
            byte |= (word[c][k] >> at & 3) << (2 * c + 4 * k);
          } else {
            word[c][k] |= (byte >> (2 * c + 4 * k) & 3) << at;
          }
        }
      }
      if (back) bytes[i] = static_cast<uint8_t>(byte);
    }
    for (uint32_t c = 0; c < 2 && !back; c++) {
      uint32_t* words = reinterpret_cast<uint32_t*>(in_plane(args, 1, block, 8 * (4 * n + 2 * c + h)));
      words[0] = word[c][0];
      words[1] = word[c][1];
    }
  });
}

extern "C" __global__ void __launch_bounds__(256) repack_q5_k(const __grid_constant__ RepackArgs args) { move_q5_k(args, false); }
extern "C" __global__ void __launch_bounds__(256) restore_q5_k(const __grid_constant__ RepackArgs args) { move_q5_k(args, true); }
extern "C" __global__ void __launch_bounds__(256) repack_q6_k(const __grid_constant__ RepackArgs args) { move_q6_k(args, false); }
extern "C" __global__ void __launch_bounds__(256) restore_q6_k(const __grid_constant__ RepackArgs args) { move_q6_k(args, true); }
