// What stands before the rows of a stage: the block makes the stage's input vectors in shared memory, each block for itself,
// since a vector of a few thousand numbers costs less to make again than to hand over.
//
// Thread t owns the numbers 4t..4t+3, 4t + 4 * threads.., so what it stored in the work buffers it reads back without a
// barrier. Sums over the vector have one order: lanes, then warps.
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
  uint32_t columns;  // a multiple of 4, of 16 if an integer form is asked for
  uint32_t head;
  uint32_t forms;  // bit i: vector i as float; bit 2 + i: vector i as integers
  float epsilon;
  float scale;
};
static_assert(sizeof(Norms) == 96, "the host writes this record");

constexpr uint32_t MOST_WARPS = 32;

// Dynamic shared memory, handed out in multiples of 16 bytes; the host computes the same sum.
struct Workspace {
  uint32_t next = 0;
  template <class T>
  __device__ uint32_t take(uint32_t count) {
    const uint32_t taken = next;
    next += (count * static_cast<uint32_t>(sizeof(T)) + 15) / 16 * 16;
    return taken;
  }
};

template <class T>
__device__ __forceinline__ T& shared_place(uint32_t byte) {
  return *reinterpret_cast<T*>(dynamic_shared + byte);
}

__device__ __forceinline__ float silu(float x) { return __fdividef(x, 1.0f + expf(-x)); }
__device__ __forceinline__ float sigmoid(float x) { return __fdividef(1.0f, 1.0f + expf(-x)); }
__device__ __forceinline__ float gelu_tanh(float x) {
  return 0.5f * x * (1.0f + tanhf(0.7978845608028654f * (x + 0.044715f * x * x * x)));
}

__device__ __forceinline__ float warp_sum(float x) {
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) x += __shfl_xor_sync(~0u, x, offset);
  return x;
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

__device__ __forceinline__ float4 operator+(float4 a, float4 b) { return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w); }
__device__ __forceinline__ float4 operator*(float4 a, float4 b) { return make_float4(a.x * b.x, a.y * b.y, a.z * b.z, a.w * b.w); }
__device__ __forceinline__ float4 operator*(float4 a, float s) { return make_float4(a.x * s, a.y * s, a.z * s, a.w * s); }
__device__ __forceinline__ float squares(float4 a) { return a.x * a.x + a.y * a.y + a.z * a.z + a.w * a.w; }

// Activations are read through L2: another SM wrote them.
__device__ __forceinline__ float4 activation(const float* p, uint32_t quad) { return __ldcg(reinterpret_cast<const float4*>(p) + quad); }

// Columns with what pads them to whole steps.
__device__ __forceinline__ uint32_t padded(uint32_t columns) { return (columns + STEP_COLUMNS - 1) / STEP_COLUMNS * STEP_COLUMNS; }

// Where the forms of a vector lie.
struct VectorStore {
  Vector place;
  bool as_values, as_integers;
  __device__ VectorStore(Workspace& space, uint32_t columns, bool as_values, bool as_integers)
      : as_values(as_values), as_integers(as_integers) {
    place.values = as_values ? space.take<float>(padded(columns)) : 0;
    place.integers = as_integers ? space.take<uint16_t>(padded(columns)) : 0;
    place.scales = as_integers ? space.take<RunScale>(padded(columns) / 16) : 0;
  }
  // Stores numbers 4 * quad.. as integers.
  __device__ __forceinline__ void quantise(float4 x, uint32_t quad) const {
    float largest = fmaxf(fmaxf(fabsf(x.x), fabsf(x.y)), fmaxf(fabsf(x.z), fabsf(x.w)));
    largest = fmaxf(largest, __shfl_xor_sync(~0u, largest, 1));
    largest = fmaxf(largest, __shfl_xor_sync(~0u, largest, 2));
    const float inverse = largest > 0.0f ? __fdividef(32767.0f, largest) : 0.0f;
    const int a = __float2int_rn(x.x * inverse), b = __float2int_rn(x.y * inverse), c = __float2int_rn(x.z * inverse),
              d = __float2int_rn(x.w * inverse);
    int sum = a + b + c + d;
    sum += __shfl_xor_sync(~0u, sum, 1);
    sum += __shfl_xor_sync(~0u, sum, 2);
    const int2 halves = make_int2(__byte_perm(a, b, 0x5410), __byte_perm(c, d, 0x5410));
    shared_place<int2>(place.integers + swizzled(quad / 2) * 16 + quad % 2 * 8) = halves;
    // A value that is no number stays none: the scale carries it.
    const float scale = largest * (1.0f / 32767.0f);
    if (quad % 4 == 0) shared_place<RunScale>(place.scales + quad * 2) = RunScale{scale, scale * static_cast<float>(sum)};
  }
  // Whole warps call it, each lane with the quad behind its neighbour's.
  __device__ __forceinline__ void put(float4 x, uint32_t quad) const {
    if (as_values) shared_place<float4>(place.values + quad * 16) = x;
    if (as_integers) quantise(x, quad);
  }
};

// By selection: an index that is not known to the compiler would move the array to local memory.
__device__ __forceinline__ Vector one_of(const Vector (&vectors)[2], uint32_t index) {
  return Vector{index ? vectors[1].values : vectors[0].values, index ? vectors[1].integers : vectors[0].integers,
                index ? vectors[1].scales : vectors[0].scales};
}

// Where the vectors of a stage are put together, and where they lie then. Weights are read before the wait for the previous
// grid, each to the place of the number that it is multiplied with.
struct VectorSpace {
  uint32_t main;      // w[0], of gated heads wa; then what vector 0 is before its norm
  uint32_t other;     // the same of vector 1
  // wa, wb, wc of sums; then what they have been multiplied with.
  uint32_t first, second, third;
  uint32_t waiting;   // x of sums
  VectorStore vectors[2];

  __device__ __forceinline__ explicit VectorSpace(const Norms& n) : VectorSpace(n, Workspace{}) {}

 private:
  __device__ __forceinline__ VectorSpace(const Norms& n, Workspace space)
      : main(space.take<float>(n.columns)),
        other(n.forms & 10 ? space.take<float>(n.columns) : 0),
        first(n.kind == ADD_NORM || n.kind == GEMMA_NEXT ? space.take<float>(n.columns) : 0),
        second(n.kind == GEMMA_NEXT ? space.take<float>(n.columns) : 0),
        third(n.kind == GEMMA_NEXT ? space.take<float>(n.columns) : 0),
        waiting(n.kind == ADD_NORM || n.kind == GEMMA_NEXT ? space.take<float>(n.columns) : 0),
        vectors{VectorStore(space, n.columns, n.forms & 1, n.forms & 4), VectorStore(space, n.columns, n.forms & 2, n.forms & 8)} {}
};

// Begins to read the weights. The first `threads` threads of the block call it, and then make_vectors with the same number.
__device__ __forceinline__ void prepare_vectors(const Norms& n, uint32_t threads) {
  const VectorSpace space(n);
  const uint32_t quads = n.columns / 4;
  const uint32_t shared = tile::shared_address(dynamic_shared);
  auto read = [&](const float* weights, uint32_t place) {
    if (!weights) return;
    for (uint32_t q = threadIdx.x; q < quads; q += threads) tile::copy_async(shared + place + q * 16, weights + q * 4);
  };
  if (n.kind == HEADS_GATED) {
    const uint32_t head_quads = n.head / 4;
    for (uint32_t head = threadIdx.x / 32; head * head_quads < quads; head += threads / 32) {
      for (uint32_t q = threadIdx.x % 32; q < head_quads; q += 32)
        tile::copy_async(shared + space.main + (head * head_quads + q) * 16, n.wa + q * 4);
    }
    tile::end_copies();
    return;
  }
  read(n.w[0], space.main);
  if (n.forms & 10) read(n.w[1], space.other);
  if (n.kind == ADD_NORM || n.kind == GEMMA_NEXT) read(n.wa, space.first);
  if (n.kind == GEMMA_NEXT) {
    read(n.wb, space.second);
    read(n.wc, space.third);
  }
  tile::end_copies();
}

// Makes the vectors of `n` in shared memory, behind the wait for the previous grid; what the threads have made is there for
// others behind a barrier.
__device__ __forceinline__ void make_vectors(const Norms& n, Vector (&out)[2], uint32_t threads) {
  __shared__ float slot[3][2][MOST_WARPS];
  const VectorSpace space(n);
  out[0] = space.vectors[0].place;
  out[1] = space.vectors[1].place;
  auto at = [](uint32_t place, uint32_t quad) -> float4& { return shared_place<float4>(place + quad * 16); };
  const bool two = n.forms & 10;
  const uint32_t quads = n.columns / 4;
  const float mean = __fdividef(1.0f, static_cast<float>(n.columns));
  float square[1] = {0};
  tile::wait_copies<0>();
  auto keep = [&](float4 h, uint32_t q) {
    square[0] += squares(h);
    if (n.residual && blockIdx.x == 0) reinterpret_cast<float4*>(n.residual)[q] = h;
    float4& v = at(space.main, q);
    v = n.w[0] ? h * v : h;
    if (!two) return;
    float4& w = at(space.other, q);
    w = n.w[1] ? h * w : h;
  };

  switch (n.kind) {
    case PLAIN:
      for (uint32_t q = threadIdx.x; q < quads; q += threads) at(space.main, q) = activation(n.x, q);
      break;
    case HEADS_GATED: {
      const uint32_t head_quads = n.head / 4;
      if (head_quads == 32) {
        // A quad for every lane, and two heads of a warp under way at once.
        auto keep_gated = [&](float4 x, float4 gate, uint32_t q) {
          const float inverse = rsqrtf(__fdividef(warp_sum(squares(x)), static_cast<float>(n.head)) + n.epsilon);
          float4& v = at(space.main, q);
          v = x * inverse * v * make_float4(silu(gate.x), silu(gate.y), silu(gate.z), silu(gate.w));
        };
        for (uint32_t q = threadIdx.x; q < quads; q += 2 * threads) {
          const bool second = q + threads < quads;
          const float4 x = activation(n.x, q), gate = activation(n.a, q);
          const float4 next_x = second ? activation(n.x, q + threads) : x, next_gate = second ? activation(n.a, q + threads) : gate;
          keep_gated(x, gate, q);
          if (second) keep_gated(next_x, next_gate, q + threads);
        }
        break;
      }
      // A warp takes a head at a time.
      for (uint32_t head = threadIdx.x / 32; head * head_quads < quads; head += threads / 32) {
        float sum = 0;
        for (uint32_t q = threadIdx.x % 32; q < head_quads; q += 32) {
          const uint32_t place = head * head_quads + q;
          const float4 x = activation(n.x, place), gate = activation(n.a, place);
          sum += squares(x);
          float4& v = at(space.main, place);
          v = x * v * make_float4(silu(gate.x), silu(gate.y), silu(gate.z), silu(gate.w));
        }
        const float inverse = rsqrtf(__fdividef(warp_sum(sum), static_cast<float>(n.head)) + n.epsilon);
        for (uint32_t q = threadIdx.x % 32; q < head_quads; q += 32) {
          float4& v = at(space.main, head * head_quads + q);
          v = v * inverse;
        }
      }
      // Heads are no quads: now others own them.
      sync_first(threads);
      break;
    }
    case ADD_NORM: {
      float of_a[1] = {0};
      for (uint32_t q = threadIdx.x; q < quads; q += threads) {
        const float4 a = activation(n.a, q), x = activation(n.x, q);
        of_a[0] += squares(a);
        float4& v = at(space.first, q);
        v = a * v;
        at(space.waiting, q) = x;
      }
      block_sums(of_a, slot[0], threads);
      const float inverse = rsqrtf(of_a[0] * mean + n.epsilon);
      for (uint32_t q = threadIdx.x; q < quads; q += threads) keep(at(space.waiting, q) + at(space.first, q) * inverse, q);
      break;
    }
    case GEMMA_NEXT: {
      float of_both[2] = {0, 0};
      for (uint32_t q = threadIdx.x; q < quads; q += threads) {
        const float4 a = activation(n.a, q), b = activation(n.b, q), x = activation(n.x, q);
        of_both[0] += squares(a);
        of_both[1] += squares(b);
        float4 &of_a = at(space.first, q), &of_b = at(space.second, q);
        of_a = a * of_a;
        of_b = b * of_b;
        at(space.waiting, q) = x;
      }
      block_sums(of_both, slot[0], threads);
      const float inverse_a = rsqrtf(of_both[0] * mean + n.epsilon), inverse_b = rsqrtf(of_both[1] * mean + n.epsilon);
      float of_branch[1] = {0};
      for (uint32_t q = threadIdx.x; q < quads; q += threads) {
        const float4 branch = at(space.first, q) * inverse_a + at(space.second, q) * inverse_b;
        of_branch[0] += squares(branch);
        float4& weighted = at(space.third, q);
        weighted = branch * weighted;
      }
      block_sums(of_branch, slot[1], threads);
      const float inverse = rsqrtf(of_branch[0] * mean + n.epsilon);
      for (uint32_t q = threadIdx.x; q < quads; q += threads) {
        keep((at(space.waiting, q) + at(space.third, q) * inverse) * n.scale, q);
      }
      break;
    }
    default:
      for (uint32_t q = threadIdx.x; q < quads; q += threads) keep(activation(n.x, q), q);
  }
  float inverse = 1;
  if (n.kind != PLAIN && n.kind != HEADS_GATED) {
    block_sums(square, slot[2], threads);
    inverse = rsqrtf(square[0] * mean + n.epsilon);
  }
  const float4 nothing = make_float4(0, 0, 0, 0);
  for (uint32_t q = threadIdx.x; q < padded(n.columns) / 4; q += threads) {
    if (n.forms & 5) space.vectors[0].put(q < quads ? at(space.main, q) * inverse : nothing, q);
    if (two) space.vectors[1].put(q < quads ? at(space.other, q) * inverse : nothing, q);
  }
}
