// Allocations are mappings of their own: their ends lie as near to the page behind as their alignment allows.
#include "memory.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <map>

namespace emulator {
namespace {

constexpr size_t ALIGNMENT = 256;

struct Allocation {
  size_t bytes;
  void* mapping;
  size_t mapped;
  bool counted;
};

std::map<uintptr_t, Allocation> allocations;
size_t used;
// The range that was asked for last: most questions are for the same one.
uintptr_t last_start;
size_t last_bytes;

void* make(size_t bytes, bool counted) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t padded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  const size_t inner = (padded + page - 1) / page * page;
  void* mapping = mmap(nullptr, inner + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) return nullptr;
  unsigned char* first = static_cast<unsigned char*>(mapping) + page;
  mprotect(first, inner, PROT_READ | PROT_WRITE);
  unsigned char* start = first + (inner - padded);
  memset(start, 0xff, padded);
  allocations[reinterpret_cast<uintptr_t>(start)] = Allocation{bytes, mapping, inner + 2 * page, counted};
  if (counted) used += padded;
  return start;
}

}  // namespace

void* allocate(size_t bytes) { return bytes == 0 || bytes > free_bytes() ? nullptr : make(bytes, true); }
void* allocate_host(size_t bytes) { return bytes == 0 ? nullptr : make(bytes, false); }

bool release(void* start) {
  const auto found = allocations.find(reinterpret_cast<uintptr_t>(start));
  if (found == allocations.end()) return false;
  const Allocation& a = found->second;
  if (a.counted) used -= (a.bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  munmap(a.mapping, a.mapped);
  allocations.erase(found);
  last_bytes = 0;
  return true;
}

size_t free_bytes() { return DEVICE_BYTES > used ? DEVICE_BYTES - used : 0; }

bool is_device_memory(const void* p, size_t bytes) {
  const uintptr_t at = reinterpret_cast<uintptr_t>(p);
  if (at >= last_start && at + bytes <= last_start + last_bytes) return true;
  auto after = allocations.upper_bound(at);
  if (after == allocations.begin()) return false;
  --after;
  if (at + bytes > after->first + after->second.bytes) return false;
  last_start = after->first;
  last_bytes = after->second.bytes;
  return true;
}

}  // namespace emulator
