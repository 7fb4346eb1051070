// Kernels by name. A kernel is registered where its file is compiled.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace emulator {

struct Kernel {
  const char* name;
  void (*run)(const void* args);  // null: a kernel that is found and cannot be launched
  size_t args_bytes;
  uint32_t most_shared_bytes;  // of dynamic shared memory, as far as it was allowed
  Kernel* next;
};

extern Kernel* kernels;

inline Kernel* find_kernel(const char* name) {
  Kernel* kernel = kernels;
  while (kernel && strcmp(kernel->name, name) != 0) kernel = kernel->next;
  return kernel;
}

// A kernel has one parameter, a struct.
template <class Args, void (*FUNCTION)(Args)>
struct Registered {
  Kernel kernel;
  explicit Registered(const char* name) : kernel{name, run, sizeof(Args), 48 << 10, kernels} { kernels = &kernel; }
  static void run(const void* args) { FUNCTION(*static_cast<const Args*>(args)); }
};

}  // namespace emulator

#define KERNEL(args, name) static emulator::Registered<args, name> registered_##name(#name);
