// Stands in for kernels/include/tile.cuh: copies as threads.hpp makes them, products of tensor cores by definition. An
// address in shared memory is a distance from the start of the block's dynamic shared memory.
#pragma once
#include <cuda_fp16.h>

namespace tile {

inline uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(static_cast<const unsigned char*>(p) - emulator::dynamic_shared);
}

inline unsigned char* at_shared(uint32_t address, uint32_t bytes) {
  if (address % bytes != 0 || address > emulator::dynamic_bytes || emulator::dynamic_bytes - address < bytes) {
    emulator::fail(emulator::Outcome::BAD_PROGRAM, "takes %u bytes at %u of dynamic shared memory, which has %u", bytes,
                   address, emulator::dynamic_bytes);
  }
  return emulator::dynamic_shared + address;
}

inline void copy_async(uint32_t to, const void* from) { emulator::start_copy(at_shared(to, 16), from, false); }
inline void copy_zeros(uint32_t to, const void* from) { emulator::start_copy(at_shared(to, 16), from, true); }
inline void end_copies() { emulator::end_copies(); }
template <int N>
inline void wait_copies() {
  emulator::wait_copies(N);
}

// Element (row, column) of matrix i, of which lane 8i + row has given the row's address.
inline uint32_t element(const emulator::Deposit* lanes, uint32_t i, uint32_t row, uint32_t column) {
  uint16_t bits;
  memcpy(&bits, emulator::dynamic_shared + lanes[8 * i + row].in[0] + 2 * column, sizeof bits);
  return bits;
}

template <bool TRANSPOSED>
inline void join_matrices(emulator::Deposit* lanes, uint32_t) {
  for (uint32_t lane = 0; lane < 32; lane++) {
    const uint32_t row = lane / 4, column = lane % 4 * 2;
    for (uint32_t i = 0; i < 4; i++) {
      lanes[lane].out[i] = TRANSPOSED ? element(lanes, i, column, row) | element(lanes, i, column + 1, row) << 16
                                      : element(lanes, i, row, column) | element(lanes, i, row, column + 1) << 16;
    }
  }
}

template <bool TRANSPOSED>
inline void load_each(uint32_t (&a)[4], uint32_t from) {
  at_shared(from, 16);
  emulator::Deposit& own = *emulator::own_deposit;
  own.in[0] = from;
  emulator::meet(~0u, emulator::Meeting::MATRICES, join_matrices<TRANSPOSED>);
  memcpy(a, own.out, sizeof a);
}
inline void load_matrices(uint32_t (&a)[4], uint32_t from) { load_each<false>(a, from); }
inline void load_transposed(uint32_t (&a)[4], uint32_t from) { load_each<true>(a, from); }

// The numbers of a word.
inline void unpack(uint32_t word, float* low, float* high) {
  *low = __half2float(__ushort_as_half(static_cast<uint16_t>(word)));
  *high = __half2float(__ushort_as_half(static_cast<uint16_t>(word >> 16)));
}

// in: a 4 words, b 2 words, c 4 floats; out: c. Lane l, of g = l / 4 and t = l % 4, has of a the pairs at (g | g + 8,
// 2t | 2t + 8), of b those at (2t | 2t + 8, g), of c those at (g | g + 8, 2t).
inline void join_products(emulator::Deposit* lanes, uint32_t) {
  float a[16][16], b[16][8];
  for (uint32_t lane = 0; lane < 32; lane++) {
    const uint32_t g = lane / 4, t = lane % 4 * 2, *in = lanes[lane].in;
    for (uint32_t i = 0; i < 4; i++) {
      float* pair = &a[g + i % 2 * 8][t + i / 2 * 8];
      unpack(in[i], pair, pair + 1);
    }
    for (uint32_t i = 0; i < 2; i++) unpack(in[4 + i], &b[t + i * 8][g], &b[t + i * 8 + 1][g]);
  }
  for (uint32_t row = 0; row < 16; row++) {
    float c[8] = {};
    for (uint32_t k = 0; k < 16; k++) {
      for (uint32_t column = 0; column < 8; column++) c[column] += a[row][k] * b[k][column];
    }
    for (uint32_t column = 0; column < 8; column++) {
      emulator::Deposit& lane = lanes[row % 8 * 4 + column / 2];
      const uint32_t i = row / 8 * 2 + column % 2;
      lane.out[i] = __float_as_uint(__uint_as_float(lane.in[6 + i]) + c[column]);
    }
  }
}

inline void multiply_add(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  emulator::Deposit& own = *emulator::own_deposit;
  memcpy(own.in, a, sizeof a);
  own.in[4] = b0;
  own.in[5] = b1;
  memcpy(own.in + 6, c, sizeof c);
  emulator::meet(~0u, emulator::Meeting::MULTIPLY, join_products);
  memcpy(c, own.out, sizeof c);
}

inline uint32_t bits(__half2 pair) { return emulator::bits_as<uint32_t>(pair); }

inline void split_halves(float x, float y, uint32_t& high, uint32_t& low) {
  const __half2 rounded = __floats2half2_rn(x, y);
  const float2 kept = __half22float2(rounded);
  high = bits(rounded);
  low = bits(__floats2half2_rn(x - kept.x, y - kept.y));
}

inline float power_of_two(float x) {
  const float y = std::exp2(x);
  return y < 0x1p-126f ? 0.0f : y;
}

inline uint32_t load_relaxed(const uint32_t* p) { return emulator::load(p); }
inline uint32_t load_acquire(const uint32_t* p) { return emulator::load(p); }

}  // namespace tile
