// What stands before the rows of a stage: the block makes the stage's input vectors in shared memory, each block for itself,
// since a vector of a few thousand numbers costs less to make again than to hand over.
//
// Thread t owns numbers 8t..8t+7 and keeps them in registers, so a vector that is normed has at most 8 numbers for each
// thread.
// Sums over the vector have one order: lanes, then warps.
#pragma once
#include <cstdint>

#include "matrix.cuh"
#include "ordering.cuh"
#include "tile.cuh"

enum NormKind : uint32_t {
  PLAIN = 0,        // v = x
  NORM = 1,         // v = rms(x) * w
  ADD_NORM = 2,     // h = x + rms(a) * wa; v = rms(h) * w
  GEMMA_NEXT = 3,   // h = (x + rms(rms(a) * wa + rms(b) * wb) * wc) * scale; v = rms(h) * w
  HEADS_GATED = 4,  // per head: v = rms(x) * wa * silu(a)
};

struct Norms {
  const float* x;
  const float* a;
  const float* b;
  const float* wa;
  const float* wb;
  const float* wc;
  float* residual;    // where block 0 stores h; not x
  const float* w[2];  // weights of the two vectors; null: without weight, and no second vector
  uint32_t kind;
  uint32_t columns;  // a multiple of 8, of 32 if an integer form is asked for
  uint32_t head;     // a multiple of 8
  uint32_t place;  // where a vector lies in dynamic shared memory: behind its own weights, on those that it needs no more
  float epsilon;
  float scale;
};
static_assert(sizeof(Norms) == 96, "the host writes this record");

constexpr uint32_t MOST_WARPS = 32;

__device__ __forceinline__ float silu(float x) { return __fdividef(x, 1.0f + __expf(-x)); }
__device__ __forceinline__ float sigmoid(float x) { return __fdividef(1.0f, 1.0f + __expf(-x)); }
__device__ __forceinline__ float gelu_tanh(float x) {
  return 0.5f * x * (1.0f + tanhf(0.7978845608028654f * (x + 0.044715f * x * x * x)));
}

__device__ __forceinline__ float warp_sum(float x) {
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) x += __shfl_xor_sync(~0u, x, offset);
  return x;
}

// Sums of two numbers over the warp: the first's in lanes 0 to 15, the second's in the others.
__device__ __forceinline__ float warp_sums(float first, float second) {
  const bool upper = threadIdx.x & 16;
  float sum = (upper ? second : first) + __shfl_xor_sync(~0u, upper ? first : second, 16);
#pragma unroll
  for (int offset = 8; offset > 0; offset /= 2) sum += __shfl_xor_sync(~0u, sum, offset);
  return sum;
}

// Sums over the first `threads` threads of N numbers, the same in each of them. `slot` is unused by the call before and
// the call after.
template <int N>
__device__ __forceinline__ void block_sums(float (&x)[N], float (*slot)[MOST_WARPS], uint32_t threads) {
#pragma unroll
  for (int n = 0; n < N; n++) {
    x[n] = warp_sum(x[n]);
    if (threadIdx.x % 32 == 0) slot[n][threadIdx.x / 32] = x[n];
  }
  sync_first(threads);
#pragma unroll
  for (int n = 0; n < N; n++) {
    const float partial = threadIdx.x % 32 < threads / 32 ? slot[n][threadIdx.x % 32] : 0.0f;
    x[n] = warp_sum(partial);
  }
}

// 8 numbers of a thread.
struct Octet {
  float4 low, high;
};
template <class F>
__device__ __forceinline__ float4 each(float4 a, F f) {
  return make_float4(f(a.x), f(a.y), f(a.z), f(a.w));
}
__device__ __forceinline__ float4 operator+(float4 a, float4 b) { return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w); }
__device__ __forceinline__ float4 operator*(float4 a, float4 b) { return make_float4(a.x * b.x, a.y * b.y, a.z * b.z, a.w * b.w); }
__device__ __forceinline__ float4 operator*(float4 a, float s) { return make_float4(a.x * s, a.y * s, a.z * s, a.w * s); }
__device__ __forceinline__ Octet operator+(Octet a, Octet b) { return Octet{a.low + b.low, a.high + b.high}; }
__device__ __forceinline__ Octet operator*(Octet a, Octet b) { return Octet{a.low * b.low, a.high * b.high}; }
__device__ __forceinline__ Octet operator*(Octet a, float s) { return Octet{a.low * s, a.high * s}; }
__device__ __forceinline__ float squares(float4 a) { return a.x * a.x + a.y * a.y + a.z * a.z + a.w * a.w; }
__device__ __forceinline__ float squares(Octet a) { return squares(a.low) + squares(a.high); }
__device__ __forceinline__ float largest(float4 a) { return fmaxf(fmaxf(fabsf(a.x), fabsf(a.y)), fmaxf(fabsf(a.z), fabsf(a.w))); }

// Activations are read through L2: another SM wrote them.
__device__ __forceinline__ Octet activation(const float* p, uint32_t octet) {
  const float4* from = reinterpret_cast<const float4*>(p) + 2 * octet;
  return Octet{__ldcg(from), __ldcg(from + 1)};
}

// Bytes are handed out in multiples of 128; the host computes the same sums.
__device__ __forceinline__ uint32_t padded(uint32_t bytes) { return (bytes + 127) & ~127u; }

// A vector of `columns` numbers at `place`: as numbers, or as integers and their groups.
struct Vector {
  uint32_t place, groups;
  bool as_values;
  __device__ __forceinline__ Vector(uint32_t place, uint32_t columns, bool as_values)
      : place(place), groups(place + padded(columns * 2)), as_values(as_values) {}
  // What lies behind it.
  __device__ __forceinline__ uint32_t end(uint32_t columns) const {
    return as_values ? place + padded(columns * 4) : groups + padded(columns / 2);
  }
  // Stores numbers 8 * octet.. as integers.
  __device__ __forceinline__ void quantise(const Octet& x, uint32_t octet, bool exists) const {
    float most = fmaxf(largest(x.low), largest(x.high));
    most = fmaxf(most, __shfl_xor_sync(~0u, most, 1));
    most = fmaxf(most, __shfl_xor_sync(~0u, most, 2));
    const float inverse = most > 0.0f ? __fdividef(32767.0f, most) : 0.0f;
    int sum = 0;
    auto pair = [&](float a, float b) {
      const int p = __float2int_rn(a * inverse), q = __float2int_rn(b * inverse);
      sum += p + q;
      return static_cast<int>(__byte_perm(p, q, 0x5410));
    };
    int4 piece;
    piece.x = pair(x.low.x, x.low.y), piece.y = pair(x.low.z, x.low.w);
    piece.z = pair(x.high.x, x.high.y), piece.w = pair(x.high.z, x.high.w);
    if (exists) shared_at<int4>(place + swizzled(octet) * 16) = piece;
    sum += __shfl_xor_sync(~0u, sum, 1);
    const int other = __shfl_xor_sync(~0u, sum, 2);
    // A value that is no number stays none: the scale carries it.
    const float scale = most * (1.0f / 32767.0f);
    const float first = scale * static_cast<float>(sum), last = scale * static_cast<float>(other);
    if (exists && octet % 4 == 0) shared_at<Group>(groups + octet * 4) = Group{scale, first + last, first, last};
  }
  // Whole warps call it, each lane with the octet behind its neighbour's; only the first `octets` exist.
  __device__ __forceinline__ void put(const Octet& x, uint32_t octet, uint32_t octets) const {
    if (!as_values) {
      // Columns are whole groups.
      if (octet / 32 * 32 < octets) quantise(x, octet, octet < octets);
    } else if (octet < octets) {
      shared_at<float4>(place + octet * 32) = x.low;
      shared_at<float4>(place + octet * 32 + 16) = x.high;
    }
  }
};

// Waits until at most `later` of the thread's groups of copies are under way, or fewer.
__device__ __forceinline__ void wait_copies_but(uint32_t later) {
  // No switch: a table of jumps costs more than a step's products.
  if (later > 2) {
    tile::wait_copies<3>();
  } else if (later > 1) {
    tile::wait_copies<2>();
  } else if (later > 0) {
    tile::wait_copies<1>();
  } else {
    tile::wait_copies<0>();
  }
}

// Begins to read the weights of the norms, which lie one behind another from 0 on: of vector `index`, then wa, wb, wc. The
// first `threads` threads of the block call it, and then make_vector with the same numbers.
__device__ __forceinline__ void prepare_vector(const Norms& n, uint32_t index, uint32_t threads) {
  uint32_t to = tile::shared_address(dynamic_shared);
  auto read = [&](const float* weights, uint32_t count) {
    if (!weights) return;
#pragma unroll 1
    for (uint32_t q = threadIdx.x; q < count / 4; q += threads) tile::copy_async(to + q * 16, weights + q * 4);
    to += padded(count * 4);
  };
  read(index ? n.w[1] : n.w[0], n.columns);
  read(n.wa, n.kind == HEADS_GATED ? n.head : n.columns);
  read(n.wb, n.columns);
  read(n.wc, n.columns);
  tile::end_copies();
}

// Makes vector `index` of `n` at `v`, behind the wait for the previous grid; what the threads have made is there for others
// behind a barrier. `later` groups of copies have been begun since prepare_vector.
__device__ __forceinline__ void make_vector(const Norms& n, uint32_t index, const Vector& v, uint32_t threads, uint32_t later) {
  __shared__ float slot[3][2][MOST_WARPS];
  const uint32_t octet = threadIdx.x, octets = n.columns / 8;
  const bool mine = octet < octets;
  const Octet nothing = {make_float4(0, 0, 0, 0), make_float4(0, 0, 0, 0)};
  auto read = [&](const float* p) { return p && mine ? activation(p, octet) : nothing; };
  if (n.kind == PLAIN) {
    // Any number of columns.
#pragma unroll 1
    for (uint32_t o = octet; o / 32 * 32 < octets; o += threads) v.put(o < octets ? activation(n.x, o) : nothing, o, octets);
    return;
  }
  auto weights = [&](uint32_t place, uint32_t at) {
    return mine ? Octet{shared_at<float4>(place + at * 32), shared_at<float4>(place + at * 32 + 16)} : nothing;
  };
  const float mean = __fdividef(1.0f, static_cast<float>(n.columns));
  auto of = [&](float sum) { return rsqrtf(sum * mean + n.epsilon); };
  const bool weighted = index ? n.w[1] : n.w[0];
  const uint32_t bytes = padded(n.columns * 4), wa = weighted ? bytes : 0;
  // Of two branches, x is read while their sum is made: registers are few.
  Octet h = n.kind == GEMMA_NEXT ? nothing : read(n.x);
  Octet a = read(n.a);
  Octet b = read(n.b);
  wait_copies_but(later);
  // What others have copied is there for all of them.
  sync_first(threads);
  switch (n.kind) {
    case HEADS_GATED: {
      float sum = squares(h);
      const uint32_t lanes = n.head / 8;
      const bool in_warps = lanes <= 32 && (lanes & (lanes - 1)) == 0;
      const uint32_t at = in_warps ? octet & (lanes - 1) : octet % lanes;
      if (in_warps) {
#pragma unroll 1
        for (uint32_t offset = lanes / 2; offset > 0; offset /= 2) sum += __shfl_xor_sync(~0u, sum, offset);
      } else {
        // By way of where the vector will be.
        if (mine) shared_at<float>(v.place + octet * 4) = sum;
        sync_first(threads);
        sum = 0;
        for (uint32_t i = 0; mine && i < lanes; i++) sum += shared_at<float>(v.place + (octet - at + i) * 4);
        sync_first(threads);
      }
      const float inverse = rsqrtf(__fdividef(sum, static_cast<float>(n.head)) + n.epsilon);
      const Octet open = {each(a.low, silu), each(a.high, silu)};
      h = h * inverse * weights(wa, at) * open;
      break;
    }
    case ADD_NORM: {
      float of_a[1] = {squares(a)};
      block_sums(of_a, slot[0], threads);
      h = h + a * weights(wa, octet) * of(of_a[0]);
      break;
    }
    case GEMMA_NEXT: {
      float of_both[2] = {squares(a), squares(b)};
      block_sums(of_both, slot[0], threads);
      const Octet branch = a * weights(wa, octet) * of(of_both[0]) + b * weights(wa + bytes, octet) * of(of_both[1]);
      h = read(n.x);
      float of_branch[1] = {squares(branch)};
      block_sums(of_branch, slot[1], threads);
      h = (h + branch * weights(wa + 2 * bytes, octet) * of(of_branch[0])) * n.scale;
      break;
    }
    default: break;
  }
  if (n.kind != HEADS_GATED) {
    if (n.residual && blockIdx.x == 0 && mine) {
      float4* out = reinterpret_cast<float4*>(n.residual) + 2 * octet;
      out[0] = h.low, out[1] = h.high;
    }
    float square[1] = {squares(h)};
    block_sums(square, slot[2], threads);
    h = h * of(square[0]);
  }
  v.put(weighted ? h * weights(0, octet) : h, octet, octets);
}
