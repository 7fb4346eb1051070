// The words that memory kernels move.
#pragma once

// The exclusive or of the four 32-bit words of `w`.
static __device__ __forceinline__ unsigned fold(uint4 w) { return w.x ^ w.y ^ w.z ^ w.w; }
