// Stands in for kernels/include/memory_access.cuh.
#pragma once
#include "../language.hpp"

#define DYNAMIC_SHARED(name) static unsigned char* const& name = ::emulator::dynamic_shared

inline uint4 load_streaming(const uint4* p) { return emulator::load(p); }
inline uint4 load_l2(const uint4* p) { return emulator::load(p); }
