// What the host adds to the records of stages, as src/kernels/decode does: how rows are dealt to blocks, and what lies where in
// their shared memory.
#pragma once
#include <initializer_list>

#include "tensors.hpp"
#include "tests.hpp"

constexpr uint32_t ROW_WARPS = 16, ROW_THREADS = 32 * ROW_WARPS;

inline uint32_t round_up(uint32_t n, uint32_t to) { return (n + to - 1) / to * to; }
inline uint32_t vector_bytes(uint32_t columns, bool as_floats) {
  return as_floats ? round_up(4 * columns, 128) : round_up(2 * columns, 128) + round_up(columns / 2, 128);
}
inline uint32_t row_chunks(const Matrix& m) {
  return m.columns / (m.type == F32 ? 4 : takes_floats(m.type) ? 8 : m.type == Q8_0 ? 16 : 32);
}
// Of a row's step of `span` chunks in a slot.
inline uint32_t step_bytes(uint32_t type, uint32_t span) {
  const uint32_t extras = type == Q4_K   ? span / 8
                          : type == Q5_K ? span / 8 * 3
                          : type == Q6_K ? span / 8 * 5 + 2
                          : type == Q8_0 ? span / 16 + 1
                          : type == Q5_0 ? span / 4 + span / 8 + 2
                          : type == Q5_1 ? span / 4 * 2 + 2
                                         : 0;
  return round_up(16 * (span + extras), 32);
}
// Shared memory of a block with rings of `slots` slots, or fewer if there is no room for them, behind `at` bytes.
inline size_t ring_bytes(uint32_t at, uint32_t& slots, uint32_t span, std::initializer_list<uint32_t> types) {
  uint32_t step = 0;
  for (const uint32_t type : types) step = std::max(step, step_bytes(type, span));
  // 64 chunks in a slot: of two rows, or halves of four.
  const uint32_t each = ROW_WARPS * (64 / span) * step;
  slots = std::min(slots, (94 * 1024 - at) / each);
  return at + slots * each;
}

// Where vectors lie: behind their own weights, on those that are used before.
inline uint32_t place_of(const Norms& n) {
  const uint32_t whole = round_up(4 * n.columns, 128);
  return (n.w[0] || n.w[1] ? whole : 0) + (n.kind == HEADS_GATED ? round_up(4 * n.head, 128) : 0);
}
inline uint32_t end_of_vectors(const Norms& n) {
  const uint32_t others = n.kind == HEADS_GATED ? 0 : !!n.wa + !!n.wb + !!n.wc;
  const uint32_t vector = std::max(vector_bytes(n.columns, true), vector_bytes(n.columns, false));
  return n.place + std::max(vector, others * round_up(4 * n.columns, 128));
}

// v = rms(x) * w
inline Norms simple_norms(Gpu& gpu, const std::vector<float>& x, const std::vector<float>& weight) {
  Norms norms{};
  norms.x = gpu.upload(x);
  norms.w[0] = gpu.upload(weight);
  norms.kind = NORM;
  norms.columns = static_cast<uint32_t>(x.size());
  norms.epsilon = static_cast<float>(EPSILON);
  norms.scale = 1;
  norms.place = place_of(norms);
  return norms;
}

// Deals `blocks` blocks to segments and their rows to warps, of rows in `pieces` pieces; returns the shared memory of a block.
inline size_t deal(ProjectArgs& args, uint32_t blocks, uint32_t slots, uint32_t pieces) {
  uint32_t first = 0;
  size_t bytes = 0;
  args.norms.place = place_of(args.norms);
  args.ring = end_of_vectors(args.norms);
  for (uint32_t i = 0; i < args.segments; i++) {
    Segment& s = args.segment[i];
    const bool paired = s.mode >= SILU_TIMES;
    s.units = row_chunks(s.matrix);
    s.block = first;
    s.blocks = i + 1 < args.segments ? 1 : blocks - first;
    first += s.blocks;
    const uint32_t groups = paired ? s.rows : (s.rows + 1) / 2, steps = (s.units + 31) / 32;
    s.each = groups / s.blocks;
    s.rest = groups % s.blocks;
    s.pieces = pieces <= steps && (s.each + 1) * pieces <= MOST_PROJECT_PIECES ? pieces : 1;
    s.steps = (steps + s.pieces - 1) / s.pieces;
    s.chunks = paired ? 0 : s.rows * s.units;
    s.round = 16 / s.pieces << 16 | 16 % s.pieces;
  }
  // Twice: the largest step says how many slots there are.
  for (uint32_t i = 0; i < 2 * args.segments; i++) {
    const size_t needed = ring_bytes(args.ring, slots, 32, {args.segment[i % args.segments].matrix.type});
    bytes = i < args.segments ? 0 : std::max(bytes, needed);
  }
  args.slots = slots;
  return bytes;
}

constexpr double PRODUCT_LIMIT = 8e-5;
