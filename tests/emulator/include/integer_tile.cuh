// Stands in for kernels/include/integer_tile.cuh.
#pragma once
#include "../language.hpp"

namespace tile {

// in: a 4 words, b 2 words, c 4 numbers; out: c.
template <class OfB>
inline void join_integer_products(emulator::Deposit* lanes, uint32_t) {
  int8_t a[16][32];
  OfB b[8][32];
  for (uint32_t lane = 0; lane < 32; lane++) {
    const uint32_t g = lane / 4, t = lane % 4 * 4, *in = lanes[lane].in;
    for (uint32_t i = 0; i < 4; i++) memcpy(&a[g + i % 2 * 8][t + i / 2 * 16], &in[i], 4);
    for (uint32_t i = 0; i < 2; i++) memcpy(&b[g][t + i * 16], &in[4 + i], 4);
  }
  for (uint32_t row = 0; row < 16; row++) {
    for (uint32_t column = 0; column < 8; column++) {
      emulator::Deposit& lane = lanes[row % 8 * 4 + column / 2];
      const uint32_t i = row / 8 * 2 + column % 2;
      int sum = static_cast<int>(lane.in[6 + i]);
      for (uint32_t k = 0; k < 32; k++) sum += a[row][k] * b[column][k];
      lane.out[i] = static_cast<uint32_t>(sum);
    }
  }
}

template <class OfB>
inline void multiply_integers(int (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  emulator::Deposit& own = *emulator::own_deposit;
  memcpy(own.in, a, sizeof a);
  own.in[4] = b0;
  own.in[5] = b1;
  memcpy(own.in + 6, c, sizeof c);
  emulator::meet(~0u, emulator::Meeting::MULTIPLY, join_integer_products<OfB>);
  memcpy(c, own.out, sizeof c);
}
inline void multiply_signed(int (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  multiply_integers<int8_t>(c, a, b0, b1);
}
inline void multiply_unsigned(int (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  multiply_integers<uint8_t>(c, a, b0, b1);
}

}  // namespace tile
