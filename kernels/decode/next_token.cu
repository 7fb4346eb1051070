// Between two tokens: the choice goes to the host, and the embedding of the next input becomes the residual stream.
// One block has work. The host reads `ring` while the device goes on; an entry holds the position it belongs to, so that it is known
// to be new.

#include "head.cuh"
#include "matrix.cuh"
#include "ordering.cuh"
#include "token.cuh"

struct NextTokenArgs {
  Matrix embedding;
  Token* token;
  const uint32_t* forced;
  float* x;
  unsigned long long* ring;
  float scale;
  uint32_t vocabulary;
  uint32_t ring_size;
  uint32_t unused;
};
static_assert(sizeof(NextTokenArgs) == 88, "the host writes this record");

// Scale and minimum of sub-block `s` of a Q4_K or Q5_K header.
__device__ float2 sub_block(const uint8_t* header, uint32_t s) {
  const uint32_t words = load_read_only<uint32_t>(header);
  const uint8_t* packed = header + 4;
  uint32_t scale, minimum;
  if (s < 4) {
    scale = packed[s] & 63, minimum = packed[s + 4] & 63;
  } else {
    scale = (packed[s + 4] & 15) | packed[s - 4] >> 6 << 4, minimum = packed[s + 4] >> 4 | packed[s] >> 6 << 4;
  }
  return make_float2(half_bits(words) * static_cast<float>(scale), half_bits(words >> 16) * static_cast<float>(minimum));
}

// One weight.
__device__ float element(const Matrix& m, uint64_t row, uint32_t column) {
  const uint64_t i = row * m.columns + column;
  const uint32_t inner = column % 256, block = inner % 32;
  switch (m.type) {
    case F32: return load_read_only<float>(m.plane[0] + i * 4);
    case F16: return half_bits(load_read_only<uint16_t>(m.plane[0] + i * 2));
    case BF16: return __uint_as_float(static_cast<uint32_t>(load_read_only<uint16_t>(m.plane[0] + i * 2)) << 16);
    case Q8_0: return half_bits(load_read_only<uint16_t>(m.plane[1] + i / 32 * 2)) * static_cast<int8_t>(m.plane[0][i]);
    case Q5_0:
    case Q5_1: {
      const uint32_t nibble = m.plane[0][i / 32 * 16 + block % 16] >> block / 16 * 4 & 15;
      const uint32_t value = nibble | (load_read_only<uint32_t>(m.plane[1] + i / 32 * 4) >> block & 1) << 4;
      if (m.type == Q5_0) {
        return half_bits(load_read_only<uint16_t>(m.plane[2] + i / 32 * 2)) * (static_cast<float>(value) - 16.0f);
      }
      const uint32_t both = load_read_only<uint32_t>(m.plane[2] + i / 32 * 4);
      return half_bits(both) * static_cast<float>(value) + half_bits(both >> 16);
    }
    case Q4_K:
    case Q5_K: {
      const uint32_t sub = inner / 32;
      const bool fifth = m.type == Q5_K;
      const uint8_t* super = m.plane[0] + i / 256 * (fifth ? 176 : 144);
      const float2 scales = sub_block(super, sub);
      uint32_t value = super[(fifth ? 48 : 16) + sub / 2 * 32 + block] >> sub % 2 * 4 & 15;
      if (fifth) value |= (super[16 + block] >> sub & 1) << 4;
      return scales.x * static_cast<float>(value) - scales.y;
    }
    default: {
      const uint32_t half = inner / 128, quarter = inner % 128 / 32;
      const uint32_t nibble = m.plane[0][i / 256 * 128 + half * 64 + quarter % 2 * 32 + block] >> quarter / 2 * 4 & 15;
      const uint32_t upper = m.plane[1][i / 256 * 64 + half * 32 + block] >> quarter * 2 & 3;
      const float scale = half_bits(load_read_only<uint16_t>(m.plane[3] + i / 256 * 2)) *
                          static_cast<int8_t>(m.plane[2][i / 256 * 16 + inner / 16]);
      return scale * (static_cast<float>(nibble | upper << 4) - 32.0f);
    }
  }
}

extern "C" __global__ void __launch_bounds__(512, 1) next_token(const __grid_constant__ NextTokenArgs args) {
  __shared__ uint32_t input;
  if (blockIdx.x > 0) return stand_by();
  launch_next_grid();
  wait_for_previous_grid();
  if (threadIdx.x == 0) {
    Token token = *args.token;
    uint32_t id = 0;
    if (token.best != 0) {
      id = chosen_id(token.best);
      const unsigned long long entry = (token.position + 1ull) << 32 | id;
      store_for_host(args.ring + token.position % args.ring_size, entry);
    }
    if (token.taken < token.forced) id = args.forced[token.taken++];
    token.position++;
    token.step++;
    token.best = 0;
    *args.token = token;
    // Behind logits that are no numbers no token follows that anybody will ask for.
    input = min(id, args.vocabulary - 1);
  }
  __syncthreads();
  for (uint32_t i = threadIdx.x; i < args.embedding.columns; i += blockDim.x) args.x[i] = element(args.embedding, input, i) * args.scale;
}
