// out[i] = value
//
// out    n 32-bit words, 4-byte aligned
// grid   any; the threads of the grid stride over the array
// bytes  writes 4n

extern "C" __global__ void fill_u32(unsigned* __restrict__ out, unsigned long long n, unsigned value) {
    const unsigned long long stride = static_cast<unsigned long long>(gridDim.x) * blockDim.x;
    for (unsigned long long i = static_cast<unsigned long long>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += stride) {
        out[i] = value;
    }
}
