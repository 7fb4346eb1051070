// Products of tensor cores in 8-bit integers with 32-bit sums, which are exact. Knows no layout.
#pragma once
#include <cstdint>

namespace tile {

// c += a * b: a is 16 x 32 in int8, b 32 x 8, c 16 x 8. Lane l, of g = l / 4 and t = l % 4, has of a the words at (g | g + 8,
// 4t | 4t + 16), of b those at (4t | 4t + 16, g), of c the numbers at (g | g + 8, 2t | 2t + 1).
__device__ __forceinline__ void multiply_signed(int (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
               : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// The same where b has bytes of 0 to 255.
__device__ __forceinline__ void multiply_unsigned(int (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.u8.s32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
               : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

}  // namespace tile
