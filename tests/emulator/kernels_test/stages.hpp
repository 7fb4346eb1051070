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
  const size_t two = forms & 10 ? 1 : 0;
  const size_t places = norms.kind == GEMMA_NEXT ? 5 + two : norms.kind == ADD_NORM ? 3 + two : 1 + two;
  size_t bytes = places * round_up(4 * columns, 16);
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

// What the host adds to the segments for a grid of `blocks`, as src/kernels/decode/project.rs.
inline void deal(ProjectArgs& args, uint32_t blocks, uint32_t rows, uint32_t depth) {
  uint32_t slots = 0;
  for (uint32_t i = 0; i < args.segments; i++) {
    Segment& s = args.segment[i];
    const bool paired = s.mode >= SILU_TIMES;
    const uint32_t groups = paired ? s.rows : (s.rows + rows - 1) / rows;
    s.units = units_of(s.matrix);
    s.each = groups / blocks;
    s.rest = groups % blocks;
    s.steps = (s.units + 31) / 32;
    s.pieces = 1;
    s.slot = slots;
    const uint32_t cut = (s.steps + depth - 1) / depth, most = (s.each + (s.rest > 0)) * cut;
    if (!takes_floats(s.matrix.type) || (paired && s.up.type != s.matrix.type) || slots + most > MOST_PROJECT_PIECES) continue;
    s.pieces = cut;
    s.steps = depth;
    slots += most;
  }
}

constexpr double PRODUCT_LIMIT = 5e-5;
