// How rows come to a warp: it has a ring of slots in shared memory, each for a step of ROWS rows, and copies steps into them
// ahead of the products. So memory is busy while it multiplies, and no registers wait for loads.
#pragma once
#include "blocks.cuh"
#include "tile.cuh"

// Where a lane finds its bytes of a step, and where its warp's ring stands.
struct Lane {
  uint32_t quants;  // its chunk, from that of the step's first block
  uint32_t extra;   // its extra, from the first plane
  uint32_t rule;    // of that, what Extra needs, and in the upper half its stride
  uint32_t slot;    // the one that is used next, and filled again then
};

constexpr uint32_t NOTHING = 0xffff;  // a rule that no step needs

// A ring of `count` slots, 1 to 4, for every warp of the block: from `begin` on lie the first slots of all warps, then the
// second ones. A row has SPAN lanes: 32, or 16 where two rows lie side by side; a lane has a chunk of every row that is its, one
// pass behind the other.
template <class B, int ROWS, uint32_t SPAN>
struct Slots {
  static constexpr uint32_t SHIFT = B::CHUNKS == 8 ? 3 : B::CHUNKS == 2 ? 1 : 0;  // of chunks to blocks
  static constexpr uint32_t EXTRAS = B::template EXTRAS<SPAN>;
  static constexpr uint32_t PART = (SPAN * 16 + EXTRAS * 16 + 31) / 32 * 32;  // of a row
  static constexpr uint32_t SLOT = ROWS * PART;
  static constexpr int PASSES = ROWS * SPAN / 32;  // rows of a lane
  static constexpr uint32_t PASS = 32 / SPAN * PART;
  static_assert(EXTRAS <= SPAN, "a lane fetches one extra of a row");

  uint32_t begin, count;  // the same in all warps
  Lane& lane;

  static __device__ __forceinline__ uint32_t lane_in_row() { return lane_of_warp() % SPAN; }
  // Of the lane's row in a slot.
  __device__ __forceinline__ uint32_t part() const { return lane.slot + (SPAN == 32 ? 0 : lane_of_warp() / SPAN * PART); }

  // Takes its place for rows of `m`.
  __device__ __forceinline__ void aim(const Matrix& m) {
    restart();
    lane.extra = 0;
    lane.rule = NOTHING;
    if constexpr (EXTRAS > 0) {
      const uint32_t i = lane_in_row();
      const Extra mine = B::template extra<SPAN>(min(i, EXTRAS - 1));
      // Planes lie at the same distances in all matrices of a launch that have rows side by side.
      const uint8_t* plane = mine.plane == 0 ? m.plane[0] : mine.plane == 1 ? m.plane[1] : mine.plane == 2 ? m.plane[2] : m.plane[3];
      lane.extra = static_cast<uint32_t>(plane - m.plane[0]) + mine.offset;
      if (i < EXTRAS) lane.rule = mine.stride << 16 | mine.need;
    }
  }
  // To where it stood before every slot was filled: cheaper to compute again than to keep.
  __device__ __forceinline__ void restart() {
    const uint32_t i = lane_in_row();
    lane.quants = i / B::CHUNKS * B::STRIDE + i % B::CHUNKS * 16 + B::START;
    lane.slot = begin + threadIdx.x / 32 * SLOT;
  }
  __device__ __forceinline__ void next() {
    const uint32_t each = blockDim.x / 32 * SLOT;
    lane.slot += each;
    if (lane.slot >= begin + count * each) lane.slot -= count * each;
  }

  // Copies a step: of the lane's rows, `left` chunks being left of each, from `chunk` of their matrix on. Every lane closes as
  // many groups of copies as steps are used, whether it has copied or not.
  __device__ __forceinline__ void fetch(const uint8_t* const (&matrix)[PASSES], const uint32_t (&chunk)[PASSES], uint32_t left) {
    const uint32_t i = lane_in_row(), to = tile::shared_address(dynamic_shared) + part();
    const uint32_t place = (B::CHUNKS == 8 ? i ^ (i >> 3 & 1) : i) * 16;
#pragma unroll
    for (int p = 0; p < PASSES; p++) {
      const uint32_t block = chunk[p] >> SHIFT;
      if (i < left) tile::copy_async(to + p * PASS + place, matrix[p] + (lane.quants + block * B::STRIDE));
      if constexpr (EXTRAS > 0) {
        const uint32_t stride = lane.rule >> 16, first = block * stride;
        if ((lane.rule & 0xffff) < (first & 15) + stride * (min(left, SPAN) >> SHIFT)) {
          tile::copy_async(to + p * PASS + SPAN * 16 + i * 16, matrix[p] + (lane.extra + (first & ~15u)));
        }
      }
    }
  }
  // Until the slot's step is there.
  __device__ __forceinline__ void wait() const {
    wait_copies_but(count - 1);
    __syncwarp();
  }
  // Adds the lane's products with chunk `unit` of a row.
  __device__ __forceinline__ void add(const Vector& v, uint32_t unit, const uint32_t (&chunk)[PASSES], float (&sums)[PASSES]) const {
#pragma unroll
    for (int p = 0; p < PASSES; p++) {
      const uint32_t at = part() + p * PASS;
      sums[p] += B::template dot<SPAN>(at, at + SPAN * 16, v, lane_in_row(), unit, chunk[p] >> SHIFT);
    }
  }
};
