// What tensor cores and copies behind the computation need: 16-byte copies into shared memory in groups, 8x8 matrices
// of f16 out of it, one product. Knows no layout: callers give each lane's address.
#pragma once
#include <cuda_fp16.h>

#include <cstdint>
#include <cstring>

namespace tile {

__device__ __forceinline__ uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

// Copies 16 bytes past L1.
__device__ __forceinline__ void copy_async(uint32_t to, const void* from) {
  asm volatile("cp.async.cg.shared.global [%0],[%1],16;" ::"r"(to), "l"(from) : "memory");
}

// Writes 16 zeros in the order of the copies; `from` is a valid address that is not read.
__device__ __forceinline__ void copy_zeros(uint32_t to, const void* from) {
  asm volatile("cp.async.cg.shared.global [%0],[%1],16,0;" ::"r"(to), "l"(from) : "memory");
}

// Closes the thread's group of copies; an empty group counts as well.
__device__ __forceinline__ void end_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until at most N of the thread's groups are under way.
template <int N>
__device__ __forceinline__ void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

// Four 8x8 matrices: lane 8i + r gives the address of row r of matrix i, and gets elements 2c, 2c + 1 of row l / 4 of
// each, c = l % 4, l its number.
__device__ __forceinline__ void load_matrices(uint32_t (&a)[4], uint32_t from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3},[%4];"
               : "=r"(a[0]), "=r"(a[1]), "=r"(a[2]), "=r"(a[3])
               : "r"(from)
               : "memory");
}

// The same, each matrix transposed on the way.
__device__ __forceinline__ void load_transposed(uint32_t (&a)[4], uint32_t from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3},[%4];"
               : "=r"(a[0]), "=r"(a[1]), "=r"(a[2]), "=r"(a[3])
               : "r"(from)
               : "memory");
}

// c += a * b: a is 16 x 16, b 16 x 8 in f16, c 16 x 8 in f32.
__device__ __forceinline__ void multiply_add(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ __forceinline__ uint32_t bits(__half2 pair) {
  uint32_t word;
  memcpy(&word, &pair, sizeof(word));
  return word;
}

// Two numbers as f16 pairs whose sum carries 22 bits: products of both with f16 are then as good as f32.
__device__ __forceinline__ void split_halves(float x, float y, uint32_t& high, uint32_t& low) {
  const __half2 rounded = __floats2half2_rn(x, y);
  const float2 kept = __half22float2(rounded);
  high = bits(rounded);
  low = bits(__floats2half2_rn(x - kept.x, y - kept.y));
}

// 2^x to 22 bits; 0 below the normal numbers.
__device__ __forceinline__ float power_of_two(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0,%1;" : "=f"(y) : "f"(x));
  return y;
}

// A word that another kernel may be writing: the old or the new value, and never one from L1. Acquiring it makes what
// was complete before it was written visible as well.
__device__ __forceinline__ uint32_t load_relaxed(const uint32_t* p) {
  uint32_t word;
  asm volatile("ld.relaxed.gpu.global.u32 %0,[%1];" : "=r"(word) : "l"(p) : "memory");
  return word;
}

__device__ __forceinline__ uint32_t load_acquire(const uint32_t* p) {
  uint32_t word;
  asm volatile("ld.acquire.gpu.global.u32 %0,[%1];" : "=r"(word) : "l"(p) : "memory");
  return word;
}

}  // namespace tile
