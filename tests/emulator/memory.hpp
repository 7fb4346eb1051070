// Device memory: host memory whose ranges are known, with pages in front of it and behind it that nobody may touch.
#pragma once
#include <cstddef>
#include <cstdint>

namespace emulator {

constexpr size_t DEVICE_BYTES = size_t{4} << 30;

// `bytes` bytes at a multiple of 256, each 0xff: floats that are not numbers. Null if the device has no room for them.
void* allocate(size_t bytes);
// Frees what begins at `start`; false if nothing does.
bool release(void* start);
// Host memory that kernels may touch: not counted, and filled in the same way.
void* allocate_host(size_t bytes);

size_t free_bytes();

// Whether all of the range lies in one allocation.
bool is_device_memory(const void* p, size_t bytes);

}  // namespace emulator
