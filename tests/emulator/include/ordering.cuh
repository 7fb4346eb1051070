// Stands in for kernels/include/ordering.cuh.
#pragma once
#include "../language.hpp"

inline void wait_for_previous_grid() { emulator::wait_for_previous(); }
inline void launch_next_grid() { emulator::launch_next(); }
inline void launch_next_grid_behind_stores() { launch_next_grid(); }
inline void stand_by() {
  launch_next_grid();
  wait_for_previous_grid();
}
inline void sync_first(uint32_t threads) { emulator::wait_for_first(threads); }
// The compiler of the host keeps the order of what it cannot see through.
inline void keep_loads_above() {}
template <class T>
T in_register(T x) {
  return x;
}

inline void store_for_host(unsigned long long* p, unsigned long long word) {
  emulator::check_access(p, sizeof word, "store for the host");
  __atomic_store_n(p, word, __ATOMIC_RELEASE);
}

inline void add_at(float* p, float x) {
  emulator::check_access(p, sizeof *p, "addition");
  *p += x;
}
