// A block as both sides see it: who runs (threads.cpp), and how it begins and ends (blocks.cpp).
#pragma once
#include <sys/mman.h>

#include "threads.hpp"

namespace emulator {

constexpr uint32_t MOST_THREADS = 1024;
constexpr size_t STACK_BYTES = 64 << 10;
// Stacks begin in other sets of the caches than their neighbours.
constexpr size_t STACK_STRIDE = STACK_BYTES + 9 * 64;

struct Copy {
  unsigned char* to;
  const void* from;
  bool zeros;
};

struct Fiber {
  void* stack;
  bool waited;
  std::vector<Copy> copies;      // oldest first
  std::vector<uint32_t> groups;  // how many of them each closed group has
  uint32_t open;                 // copies behind the last group
};

struct Gathering {
  uint32_t mask, come;
  Meeting what;
};

struct Warp {
  uint32_t ready, live;
  uint32_t open;  // gatherings that lanes wait in: the first so many
  Gathering gatherings[32];
  Deposit deposits[32];
};

struct Block {
  const Grid* grid;
  Index index;
  uint32_t number;
  Fiber fibers[MOST_THREADS];
  Warp warps[MOST_THREADS / 32];
  uint32_t ready_warps, running, live, in_barrier, in_first;
  uint32_t turn;  // which lane of a warp goes first
  bool parks, eager, launched_next;
  Outcome outcome;
  uint64_t random;
  std::vector<unsigned char> shared, statics;
  unsigned char* stacks;

  Block() {
    void* memory = mmap(nullptr, MOST_THREADS * STACK_STRIDE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    stacks = memory == MAP_FAILED ? nullptr : static_cast<unsigned char*>(memory);
  }
  ~Block() { munmap(stacks, MOST_THREADS * STACK_STRIDE); }
  Block(const Block&) = delete;

  void* top(uint32_t thread) { return stacks + thread * STACK_STRIDE + STACK_BYTES; }
};

extern Block* block;      // that runs
extern void* host_stack;  // of whoever runs it

// Takes the thread that runs next from those that can. Nobody: MOST_THREADS.
uint32_t next_thread();
// Makes `thread` the one that runs.
void choose(uint32_t thread);
// Lets lanes of a warp go on.
void make_ready(uint32_t warp, uint32_t lanes);
// Where every thread begins.
void thread_main();
// Ends the block; the first that is ended so is told of, the others follow from it or from chance.
void end_badly(Outcome how, const char* format, ...) __attribute__((format(printf, 2, 3)));

}  // namespace emulator
