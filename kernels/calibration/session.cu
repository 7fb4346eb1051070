// What every measurement needs around it: inputs, a gate that holds the queue, and a comparison that trusts no kernel under test.
// Layout: flat arrays of 64-bit words. Grid-stride loops; any grid and block. The gate runs as one thread.

#include "ordering.cuh"
#include "word.cuh"

extern "C" __global__ void fill_words(uint64_t* out, uint64_t count, uint64_t seed) {
  const uint64_t step = static_cast<uint64_t>(gridDim.x) * blockDim.x;
  for (uint64_t i = blockIdx.x * static_cast<uint64_t>(blockDim.x) + threadIdx.x; i < count; i += step)
    out[i] = generated_word(seed, i);
}

// Adds to *mismatches the words that differ from generated_word(key, i), or from written_word(key, i) where `written`.
extern "C" __global__ void count_mismatches(const uint64_t* in, uint64_t count, uint64_t key, uint32_t written,
                                            unsigned long long* mismatches) {
  const uint64_t step = static_cast<uint64_t>(gridDim.x) * blockDim.x;
  unsigned long long wrong = 0;
  for (uint64_t i = blockIdx.x * static_cast<uint64_t>(blockDim.x) + threadIdx.x; i < count; i += step)
    wrong += in[i] != (written ? written_word(key, i) : generated_word(key, i));
  if (wrong) atomicAdd(mismatches, wrong);
}

// Holds the stream until the host raises *open, so that everything behind it is queued before it starts. Gives up after
// `limit_ns` and says so: the sample then timed the host.
extern "C" __global__ void hold_queue(const volatile uint32_t* open, uint64_t limit_ns, uint32_t* gave_up) {
  const uint64_t begin = global_timer_ns();
  while (*open == 0) {
    if (global_timer_ns() - begin > limit_ns) {
      *gave_up = 1;
      return;
    }
  }
}
