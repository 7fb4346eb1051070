// What the tests of several stages share: how much shared memory a stage takes, and simple inputs.
#pragma once
#include <initializer_list>

#include "tensors.hpp"
#include "tests.hpp"

inline size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }
inline size_t float_bytes(size_t columns) { return 4 * round_up(columns, 1024); }
inline size_t integer_bytes(size_t columns) { return 2 * round_up(columns, 1024) + round_up(columns, 1024) / 2; }

// Of the bits of Norms::forms: vectors as floats 1 and 2, as integers 4 and 8.
inline size_t vector_bytes(const Norms& norms) {
  const uint32_t columns = norms.columns, forms = norms.forms;
  size_t bytes = (forms & 10 || norms.kind == GEMMA_NEXT ? 2 : 1) * round_up(4 * columns, 16);
  for (uint32_t v = 0; v < 2; v++)
    bytes += (forms >> v & 1 ? float_bytes(columns) : 0) + (forms >> (2 + v) & 1 ? integer_bytes(columns) : 0);
  return bytes;
}
inline uint32_t form_of(uint32_t type) { return takes_floats(type) ? 1 : 4; }

// v = rms(x) * w
inline Norms simple_norms(Gpu& gpu, const std::vector<float>& x, const std::vector<float>& weight, uint32_t forms) {
  Norms norms{};
  norms.x = gpu.upload(x);
  norms.w[0] = gpu.upload(weight);
  norms.kind = NORM;
  norms.columns = static_cast<uint32_t>(x.size());
  norms.forms = forms;
  norms.epsilon = static_cast<float>(EPSILON);
  norms.scale = 1;
  return norms;
}

constexpr double PRODUCT_LIMIT = 5e-5;
