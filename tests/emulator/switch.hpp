// The one thing that C++ cannot say: go on with another stack.
#pragma once
#include <cstdint>

// Leaves where the stack of the caller stands in `saved`, and goes on where `next` was left.
extern "C" void emulator_switch(void** saved, void* next);

namespace emulator {

// A stack that begins with `entry` once it is switched to; `top` is a multiple of 16.
void* new_stack(void* top, void (*entry)());

}  // namespace emulator
