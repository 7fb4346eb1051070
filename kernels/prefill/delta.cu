// Gated DeltaNet over a batch: what a token needs of its neighbours alone for all tokens at once (prefill_convolve), then the
// delta rule from token to token (prefill_delta_*).

#include <cstdint>

#include "memory_access.cuh"
#include "tile.cuh"

struct ConvolveArgs {
  const float* projected;  // [tokens], rows stride apart: queries, keys, values before the convolution
  const float* alpha;      // [tokens][value_heads]
  const float* beta;       // [tokens][value_heads]
  const float* conv;       // [channels][taps], the last tap is the token's own
  const float* decay;      // [value_heads], negative
  const float* step_bias;  // [value_heads]
  const float* window;     // [taps][channels], position p at slot p % taps: of tokens before the batch
  float* active;           // [tokens][channels]: unit queries over the root of their length, unit keys, values
  float2* gates;           // [tokens][value_heads]: decay, beta
  float* products;         // [tokens][key_heads]: query times key
  uint32_t position;       // of the first token
  uint32_t stride;
  uint32_t key_heads;
  uint32_t value_heads;
  uint32_t key_dim;  // at most 256
  uint32_t value_dim;
  uint32_t taps;
  float epsilon;
};
static_assert(sizeof(ConvolveArgs) == 112, "the host writes this record");

namespace delta_batch {

__device__ __forceinline__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }
__device__ __forceinline__ float softplus(float x) { return x > 20.0f ? x : log1pf(expf(x)); }
__device__ __forceinline__ float dot(float4 a, float4 b) { return a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w; }
__device__ __forceinline__ float sum_of_warp(float x) {
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) x += __shfl_xor_sync(~0u, x, offset);
  return x;
}

// What the convolution makes of a channel, behind SiLU.
__device__ __forceinline__ float convolved(const ConvolveArgs& args, uint32_t token, uint32_t channel, uint32_t channels) {
  const uint32_t position = args.position + token;
  float sum = 0;
  for (uint32_t t = 0; t < args.taps; t++) {
    const uint32_t age = args.taps - 1 - t;
    if (age > position) continue;
    const float x = age <= token ? __ldcg(args.projected + static_cast<uint64_t>(token - age) * args.stride + channel)
                                 : __ldcg(args.window + static_cast<uint64_t>((position - age) % args.taps) * channels + channel);
    sum += __ldg(args.conv + static_cast<uint64_t>(channel) * args.taps + t) * x;
  }
  return sum * sigmoid(sum);
}

// A block takes a token, a warp a head after another: a query and its key together.
__device__ __forceinline__ void convolve(const ConvolveArgs& args) {
  constexpr uint32_t EACH = 8;
  const uint32_t token = blockIdx.x, warp = threadIdx.x / 32, lane = threadIdx.x % 32, warps = blockDim.x / 32;
  const uint32_t keys = args.key_heads * args.key_dim, channels = 2 * keys + args.value_heads * args.value_dim;
  float* const active = args.active + static_cast<uint64_t>(token) * channels;
  for (uint32_t head = warp; head < args.key_heads; head += warps) {
    float q[EACH], k[EACH], query_query = 0, key_key = 0, query_key = 0;
#pragma unroll
    for (uint32_t i = 0; i < EACH; i++) {
      const uint32_t element = i * 32 + lane, channel = head * args.key_dim + element;
      q[i] = k[i] = 0;
      if (element < args.key_dim) {
        q[i] = convolved(args, token, channel, channels);
        k[i] = convolved(args, token, keys + channel, channels);
      }
      query_query += q[i] * q[i];
      key_key += k[i] * k[i];
      query_key += q[i] * k[i];
    }
    const float of_query = rsqrtf(sum_of_warp(query_query) + args.epsilon) * rsqrtf(static_cast<float>(args.key_dim));
    const float of_key = rsqrtf(sum_of_warp(key_key) + args.epsilon);
    query_key = sum_of_warp(query_key);
    if (lane == 0) args.products[static_cast<uint64_t>(token) * args.key_heads + head] = query_key * of_query * of_key;
#pragma unroll
    for (uint32_t i = 0; i < EACH; i++) {
      const uint32_t element = i * 32 + lane, channel = head * args.key_dim + element;
      if (element >= args.key_dim) continue;
      active[channel] = q[i] * of_query;
      active[keys + channel] = k[i] * of_key;
    }
  }
  for (uint32_t channel = 2 * keys + threadIdx.x; channel < channels; channel += blockDim.x) {
    active[channel] = convolved(args, token, channel, channels);
  }
  for (uint32_t head = threadIdx.x; head < args.value_heads; head += blockDim.x) {
    const uint64_t at = static_cast<uint64_t>(token) * args.value_heads + head;
    const float rate = __ldg(args.decay + head) * softplus(__ldcg(args.alpha + at) + __ldg(args.step_bias + head));
    args.gates[at] = make_float2(expf(rate), sigmoid(__ldcg(args.beta + at)));
  }
}

}  // namespace delta_batch

extern "C" __global__ void __launch_bounds__(256) prefill_convolve(const __grid_constant__ ConvolveArgs args) { delta_batch::convolve(args); }

struct ScanArgs {
  const float* projected;  // as prefill_convolve has it, whose results the next three are
  const float* active;
  const float2* gates;
  const float* products;
  float* window;
  float* state;  // [value_heads][value_dim][key_dim]
  float* out;    // [tokens], rows out_stride apart
  uint32_t position;
  uint32_t tokens;
  uint32_t stride;
  uint32_t out_stride;
  uint32_t key_heads;
  uint32_t value_heads;
  uint32_t value_dim;
  uint32_t taps;
};
static_assert(sizeof(ScanArgs) == 88, "the host writes this record");

namespace delta_batch {

constexpr uint32_t THREADS = 256, ROWS = 32, LANES = THREADS / ROWS, CHUNK = 8;

// Of a chunk of tokens: queries and keys, the block's values, decay, beta and query times key.
template <uint32_t KEY_DIM>
struct Chunk {
  static constexpr uint32_t VALUES = 2 * KEY_DIM * 4, GATES = VALUES + ROWS * 4, TOKEN = GATES + 16;
  static constexpr uint32_t BYTES = 2 * CHUNK * TOKEN;
};

DYNAMIC_SHARED(scan_shared);
template <class T>
__device__ __forceinline__ T& in_scan(uint32_t byte) {
  return *reinterpret_cast<T*>(scan_shared + byte);
}

// Grid (value_heads, parts of 32 rows): 8 lanes keep a row of the state in registers, over all tokens of the batch. Of the old
// state S: change = beta * (v - decay * k.S), out = decay * q.S + change * (q.k), S <- decay * S + change * k.
template <uint32_t KEY_DIM>
__device__ __forceinline__ void scan(const ScanArgs& args) {
  using C = Chunk<KEY_DIM>;
  constexpr uint32_t QUADS = KEY_DIM / 4 / LANES, PIECES = 2 * KEY_DIM / 4 + ROWS / 4;
  const uint32_t head = blockIdx.x, key_head = head % args.key_heads, first_row = blockIdx.y * ROWS;
  const uint32_t row = first_row + threadIdx.x / LANES, lane = threadIdx.x % LANES;
  const uint32_t keys = args.key_heads * KEY_DIM, channels = 2 * keys + args.value_heads * args.value_dim;
  const bool exists = row < args.value_dim;
  const uint32_t value_row = head * args.value_dim + row;
  float4* const state = reinterpret_cast<float4*>(args.state) + static_cast<uint64_t>(value_row) * (KEY_DIM / 4) + lane;
  float4 s[QUADS];
#pragma unroll
  for (uint32_t i = 0; i < QUADS; i++) {
    s[i] = exists && args.position != 0 ? __ldcg(state + i * LANES) : make_float4(0, 0, 0, 0);
  }
  auto fetch = [&](uint32_t first) {
    for (uint32_t i = threadIdx.x; i < CHUNK * PIECES; i += THREADS) {
      const uint32_t t = i / PIECES, piece = i % PIECES, token = first + t;
      if (token >= args.tokens) break;
      const float* const from = args.active + static_cast<uint64_t>(token) * channels;
      const uint32_t to = tile::shared_address(scan_shared) + token % (2 * CHUNK) * C::TOKEN + piece * 16;
      if (piece < 2 * KEY_DIM / 4) {
        const uint32_t is_key = piece >= KEY_DIM / 4;
        tile::copy_async(to, from + is_key * keys + key_head * KEY_DIM + piece * 4 - is_key * KEY_DIM);
      } else {
        const uint32_t quad = piece - 2 * KEY_DIM / 4;
        if (first_row + quad * 4 < args.value_dim) tile::copy_async(to, from + 2 * keys + head * args.value_dim + first_row + quad * 4);
      }
    }
    tile::end_copies();
    const uint64_t token = first + threadIdx.x;
    if (threadIdx.x < CHUNK && token < args.tokens) {
      const float2 gate = __ldcg(args.gates + token * args.value_heads + head);
      const float product = __ldcg(args.products + token * args.key_heads + key_head);
      in_scan<float4>(static_cast<uint32_t>(token % (2 * CHUNK)) * C::TOKEN + C::GATES) = make_float4(gate.x, gate.y, product, 0);
    }
  };
  fetch(0);
  for (uint32_t first = 0; first < args.tokens; first += CHUNK) {
    tile::wait_copies<0>();
    __syncthreads();
    if (first + CHUNK < args.tokens) fetch(first + CHUNK);
    const uint32_t end = first + CHUNK < args.tokens ? first + CHUNK : args.tokens;
    for (uint32_t token = first; token < end; token++) {
      const uint32_t at = token % (2 * CHUNK) * C::TOKEN;
      const float4 gate = in_scan<float4>(at + C::GATES);
      float4 k[QUADS];
      float key_state = 0, query_state = 0;
#pragma unroll
      for (uint32_t i = 0; i < QUADS; i++) {
        k[i] = in_scan<float4>(at + (KEY_DIM / 4 + i * LANES + lane) * 16);
        key_state += dot(k[i], s[i]);
        query_state += dot(in_scan<float4>(at + (i * LANES + lane) * 16), s[i]);
      }
#pragma unroll
      for (uint32_t offset = LANES / 2; offset > 0; offset /= 2) {
        key_state += __shfl_xor_sync(~0u, key_state, static_cast<int>(offset));
        query_state += __shfl_xor_sync(~0u, query_state, static_cast<int>(offset));
      }
      const float decay = gate.x, value = exists ? in_scan<float>(at + C::VALUES + threadIdx.x / LANES * 4) : 0;
      const float change = gate.y * (value - decay * key_state);
#pragma unroll
      for (uint32_t i = 0; i < QUADS; i++) {
        s[i] = make_float4(decay * s[i].x + change * k[i].x, decay * s[i].y + change * k[i].y, decay * s[i].z + change * k[i].z,
                           decay * s[i].w + change * k[i].w);
      }
      if (lane == 0 && exists) args.out[static_cast<uint64_t>(token) * args.out_stride + value_row] = decay * query_state + change * gate.z;
    }
  }
#pragma unroll
  for (uint32_t i = 0; i < QUADS; i++) {
    if (exists) state[i * LANES] = s[i];
  }
  // The last tokens' inputs are the next one's window; what was there has been read by prefill_convolve.
  const uint32_t kept = args.taps < args.tokens ? args.taps : args.tokens;
  const uint32_t blocks = gridDim.x * gridDim.y, block = blockIdx.y * gridDim.x + blockIdx.x;
  for (uint32_t i = block * THREADS + threadIdx.x; i < kept * channels; i += blocks * THREADS) {
    const uint32_t token = args.tokens - kept + i / channels, channel = i % channels;
    const float x = __ldcg(args.projected + static_cast<uint64_t>(token) * args.stride + channel);
    args.window[static_cast<uint64_t>((args.position + token) % args.taps) * channels + channel] = x;
  }
}

}  // namespace delta_batch

#define DELTA(KEY_DIM)                                                                                         \
  extern "C" __global__ void __launch_bounds__(delta_batch::THREADS) prefill_delta_##KEY_DIM(const __grid_constant__ ScanArgs args) { \
    delta_batch::scan<KEY_DIM>(args);                                                                                \
  }
DELTA(32)
DELTA(64)
DELTA(128)
DELTA(256)
#undef DELTA
