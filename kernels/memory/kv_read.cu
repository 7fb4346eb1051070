// out[t] = xor over the 16-byte words that thread t reads
//
// in     n 16-byte words, 16-byte aligned
// out    one 32-bit word per thread of the grid
// grid   any; the threads of the grid stride over the array
// bytes  reads 16n

#include "words.cuh"

extern "C" __global__ void kv_read(const uint4* __restrict__ in, unsigned long long n, unsigned* __restrict__ out) {
    const unsigned long long stride = static_cast<unsigned long long>(gridDim.x) * blockDim.x;
    const unsigned long long first = static_cast<unsigned long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    unsigned sum = 0;
    for (unsigned long long i = first; i < n; i += stride) {
        sum ^= fold(in[i]);
    }
    out[first] = sum;
}
