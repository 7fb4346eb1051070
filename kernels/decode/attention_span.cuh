// How a block of attention works: its threads and its shared memory, and which positions are its.
#pragma once
#include "attention.cuh"

namespace attention {

template <uint32_t D>
struct Shape {
  static constexpr uint32_t WARPS = D == 64 ? 4 : 8;
  static constexpr uint32_t THREADS = 32 * WARPS;
  static constexpr uint32_t SLICES = D / 64;              // of the dimensions, for scores
  static constexpr uint32_t KEYS = 16 * WARPS / SLICES;   // positions of a tile
  static constexpr uint32_t DIM_TILES = D / 16 / WARPS;   // of a warp, for outputs
  static constexpr uint32_t CHUNKS = D / 8;               // 16-byte pieces of a row
  static constexpr uint32_t UNIT_BYTES = KEYS * D * 2;
  static constexpr uint32_t UNITS = 5;
  static constexpr uint32_t PITCH = KEYS + 4;  // of a head's scores; keeps stores apart in banks
  // Queries lie in the last unit until the first tile has them in registers.
  static constexpr uint32_t QUERIES = (UNITS - 1) * UNIT_BYTES;
  static constexpr uint32_t SCORES = UNITS * UNIT_BYTES;
  static constexpr uint32_t NEW_ROWS = SCORES + SLICES * 8 * PITCH * 4;
  static constexpr uint32_t TURNS = NEW_ROWS + 2 * D * 2;
  static constexpr uint32_t SHARED_BYTES = TURNS + D / 2 * 8;
  static_assert(8 * D * 4 <= UNIT_BYTES && D * 4 <= SLICES * 8 * PITCH * 4, "queries, the key and the whole result have work space");
  static_assert(SHARED_BYTES <= 99 * 1024, "every device has this much");
  static_assert(KEYS * CHUNKS % THREADS == 0 && THREADS % CHUNKS == 0 && DIM_TILES >= 1, "work is dealt evenly");
};

// The positions of a block.
struct Span {
  uint32_t first;  // where in the ring the first lies
  uint32_t count;
  uint32_t splits;  // that have positions
  bool active;
  bool last;  // its last position is the token's own

  // Up to `alone` positions one block is done sooner than several and a join.
  __device__ __forceinline__ Span(const AttentionArgs& args, uint32_t split, uint32_t position, uint32_t alone) {
    uint32_t seen = seen_positions(position, args.window);
    if (seen > args.capacity) seen = args.capacity;  // only a wrong guess
    splits = args.out && seen <= alone ? 1 : active_splits(seen, args.splits);
    const uint32_t each = seen / splits, rest = seen % splits;
    const uint32_t begin = split * each + (split < rest ? split : rest);
    active = split < splits;
    last = split + 1 == splits;
    count = active ? each + (split < rest) : 0;
    first = (position + 1 - seen + begin) % args.capacity;
  }

  __device__ __forceinline__ uint32_t row(uint32_t offset, uint32_t capacity) const {
    const uint32_t row = first + offset;
    return row >= capacity ? row - capacity : row;
  }
};

}  // namespace attention
