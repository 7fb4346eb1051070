// What stands before the rows of a stage: the block makes the stage's input vectors in shared memory, each block for itself,
// since a vector of a few thousand numbers costs less to make again than to hand over.
//
// Thread t owns the numbers 4t..4t+3, 4t + 4 * blockDim.x.., so what it stored in the work buffers it reads back without a
// barrier. Sums over the vector have one order: lanes, then warps.
#pragma once
#include <cstdint>

#include "matrix.cuh"

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

DYNAMIC_SHARED(dynamic_shared);

// Dynamic shared memory, handed out in multiples of 16 bytes; the host computes the same sum.
struct Workspace {
  unsigned char* next;
  template <class T>
  __device__ T* take(uint32_t count) {
    T* taken = reinterpret_cast<T*>(next);
    next += (count * sizeof(T) + 15) / 16 * 16;
    return taken;
  }
};

__device__ __forceinline__ float silu(float x) { return x / (1.0f + expf(-x)); }
__device__ __forceinline__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }
__device__ __forceinline__ float gelu_tanh(float x) {
  return 0.5f * x * (1.0f + tanhf(0.7978845608028654f * (x + 0.044715f * x * x * x)));
}

__device__ __forceinline__ float warp_sum(float x) {
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) x += __shfl_xor_sync(~0u, x, offset);
  return x;
}

// Sums over the block of N numbers, the same in every thread. `slot` is unused by the call before and the call after.
template <int N>
__device__ __forceinline__ void block_sums(float (&x)[N], float (*slot)[MOST_WARPS]) {
#pragma unroll
  for (int n = 0; n < N; n++) {
    x[n] = warp_sum(x[n]);
    if (threadIdx.x % 32 == 0) slot[n][threadIdx.x / 32] = x[n];
  }
  __syncthreads();
#pragma unroll
  for (int n = 0; n < N; n++) {
    const float partial = threadIdx.x % 32 < blockDim.x / 32 ? slot[n][threadIdx.x % 32] : 0.0f;
    x[n] = warp_sum(partial);
  }
}

__device__ __forceinline__ float4 operator+(float4 a, float4 b) { return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w); }
__device__ __forceinline__ float4 operator*(float4 a, float4 b) { return make_float4(a.x * b.x, a.y * b.y, a.z * b.z, a.w * b.w); }
__device__ __forceinline__ float4 operator*(float4 a, float s) { return make_float4(a.x * s, a.y * s, a.z * s, a.w * s); }
__device__ __forceinline__ float squares(float4 a) { return a.x * a.x + a.y * a.y + a.z * a.z + a.w * a.w; }

// Activations are read through L2: another SM wrote them.
__device__ __forceinline__ float4 activation(const float* p, uint32_t quad) { return __ldcg(reinterpret_cast<const float4*>(p) + quad); }
__device__ __forceinline__ float4 weight(const float* p, uint32_t quad) { return __ldg(reinterpret_cast<const float4*>(p) + quad); }

// Stores numbers 4 * quad.. as integers. The 4 lanes of a run call it together.
__device__ __forceinline__ void quantise(float4 x, uint32_t quad, int4* integers, RunScale* scales) {
  float largest = fmaxf(fmaxf(fabsf(x.x), fabsf(x.y)), fmaxf(fabsf(x.z), fabsf(x.w)));
  const uint32_t lanes = 0xfu << (threadIdx.x % 32 & ~3u);
  largest = fmaxf(largest, __shfl_xor_sync(lanes, largest, 1));
  largest = fmaxf(largest, __shfl_xor_sync(lanes, largest, 2));
  const float inverse = largest > 0.0f ? 32767.0f / largest : 0.0f;
  const int a = __float2int_rn(x.x * inverse), b = __float2int_rn(x.y * inverse), c = __float2int_rn(x.z * inverse),
            d = __float2int_rn(x.w * inverse);
  int sum = a + b + c + d;
  sum += __shfl_xor_sync(lanes, sum, 1);
  sum += __shfl_xor_sync(lanes, sum, 2);
  int2* halves = reinterpret_cast<int2*>(integers + swizzled(quad / 2));
  halves[quad % 2] = make_int2(__byte_perm(a, b, 0x5410), __byte_perm(c, d, 0x5410));
  // A value that is no number stays none: the scale carries it.
  const float scale = largest / 32767.0f;
  if (quad % 4 == 0) scales[quad / 4] = RunScale{scale, scale * static_cast<float>(sum)};
}

// Where the forms of a vector lie.
struct VectorStore {
  float* values;
  int4* integers;
  RunScale* scales;
  __device__ VectorStore(Workspace& space, uint32_t columns, bool as_values, bool as_integers)
      : values(as_values ? space.take<float>(columns) : nullptr),
        integers(as_integers ? space.take<int4>((columns + 63) / 64 * 8) : nullptr),
        scales(as_integers ? space.take<RunScale>((columns + 15) / 16) : nullptr) {}
  __device__ void put(float4 x, uint32_t quad) const {
    if (values) reinterpret_cast<float4*>(values)[quad] = x;
    if (integers) quantise(x, quad, integers, scales);
  }
  __device__ Vector read() const { return Vector{values, integers, scales}; }
};

// By selection: an index that is not known to the compiler would move the array to local memory.
__device__ __forceinline__ Vector one_of(const Vector (&vectors)[2], uint32_t index) {
  return Vector{index ? vectors[1].values : vectors[0].values, index ? vectors[1].integers : vectors[0].integers,
                index ? vectors[1].scales : vectors[0].scales};
}

// Makes the vectors of `n` in shared memory and returns behind a barrier. Every thread of the block calls it, behind the
// wait for the previous grid.
__device__ __forceinline__ void make_vectors(const Norms& n, Workspace space, Vector (&out)[2]) {
  __shared__ float slot[3][2][MOST_WARPS];
  float4* work = reinterpret_cast<float4*>(space.take<float>(n.columns));
  const VectorStore first(space, n.columns, n.forms & 1, n.forms & 4), second(space, n.columns, n.forms & 2, n.forms & 8);
  out[0] = first.read();
  out[1] = second.read();
  const uint32_t quads = n.columns / 4;
  const float mean = 1.0f / static_cast<float>(n.columns);
  float square[1] = {0};

  switch (n.kind) {
    case PLAIN:
      for (uint32_t q = threadIdx.x; q < quads; q += blockDim.x) first.put(activation(n.x, q), q);
      __syncthreads();
      return;
    case HEADS_GATED: {
      // A warp takes a head at a time.
      const uint32_t head_quads = n.head / 4;
      for (uint32_t head = threadIdx.x / 32; head * head_quads < quads; head += blockDim.x / 32) {
        float sum = 0;
        for (uint32_t q = threadIdx.x % 32; q < head_quads; q += 32) sum += squares(activation(n.x, head * head_quads + q));
        const float inverse = rsqrtf(warp_sum(sum) / static_cast<float>(n.head) + n.epsilon);
        for (uint32_t q = threadIdx.x % 32; q < head_quads; q += 32) {
          const uint32_t at = head * head_quads + q;
          const float4 gate = activation(n.a, at);
          const float4 open = make_float4(silu(gate.x), silu(gate.y), silu(gate.z), silu(gate.w));
          first.put(activation(n.x, at) * inverse * weight(n.wa, q) * open, at);
        }
      }
      __syncthreads();
      return;
    }
    case ADD_NORM: {
      float of_a[1] = {0};
      for (uint32_t q = threadIdx.x; q < quads; q += blockDim.x) of_a[0] += squares(activation(n.a, q));
      block_sums(of_a, slot[0]);
      const float inverse = rsqrtf(of_a[0] * mean + n.epsilon);
      for (uint32_t q = threadIdx.x; q < quads; q += blockDim.x) {
        const float4 h = activation(n.x, q) + activation(n.a, q) * inverse * weight(n.wa, q);
        work[q] = h;
        square[0] += squares(h);
      }
      break;
    }
    case GEMMA_NEXT: {
      float of_both[2] = {0, 0};
      for (uint32_t q = threadIdx.x; q < quads; q += blockDim.x) {
        of_both[0] += squares(activation(n.a, q));
        of_both[1] += squares(activation(n.b, q));
      }
      block_sums(of_both, slot[0]);
      const float inverse_a = rsqrtf(of_both[0] * mean + n.epsilon), inverse_b = rsqrtf(of_both[1] * mean + n.epsilon);
      float of_branch[1] = {0};
      for (uint32_t q = threadIdx.x; q < quads; q += blockDim.x) {
        const float4 branch =
            activation(n.a, q) * inverse_a * weight(n.wa, q) + activation(n.b, q) * inverse_b * weight(n.wb, q);
        work[q] = branch;
        of_branch[0] += squares(branch);
      }
      block_sums(of_branch, slot[1]);
      const float inverse = rsqrtf(of_branch[0] * mean + n.epsilon);
      for (uint32_t q = threadIdx.x; q < quads; q += blockDim.x) {
        const float4 h = (activation(n.x, q) + work[q] * inverse * weight(n.wc, q)) * n.scale;
        work[q] = h;
        square[0] += squares(h);
      }
      break;
    }
    default:
      for (uint32_t q = threadIdx.x; q < quads; q += blockDim.x) {
        const float4 h = activation(n.x, q);
        work[q] = h;
        square[0] += squares(h);
      }
  }
  block_sums(square, slot[2]);
  const float inverse = rsqrtf(square[0] * mean + n.epsilon);
  for (uint32_t q = threadIdx.x; q < quads; q += blockDim.x) {
    const float4 h = work[q], unit = h * inverse;
    if (n.residual && blockIdx.x == 0) reinterpret_cast<float4*>(n.residual)[q] = h;
    if (n.forms & 5) first.put(n.w[0] ? unit * weight(n.w[0], q) : unit, q);
    if (n.forms & 10) second.put(n.w[1] ? unit * weight(n.w[1], q) : unit, q);
  }
  __syncthreads();
}
