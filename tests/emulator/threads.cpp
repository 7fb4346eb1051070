// Who runs next, and who waits for whom: fibers of one block, its warps' meetings, its barrier, its copies.
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "block.hpp"
#include "memory.hpp"
#include "switch.hpp"

namespace emulator {

Index thread_index, block_index, block_size, grid_size;
unsigned char* dynamic_shared;
uint32_t dynamic_bytes;
Deposit* own_deposit;
Block* block;
void* host_stack;

namespace {

uint32_t draw() {
  block->random = block->random * 6364136223846793005ull + 1442695040888963407ull;
  return static_cast<uint32_t>(block->random >> 33);
}

// The first of the bits that are set, counted from bit `turn`.
uint32_t first_from(uint32_t turn, uint32_t mask) {
  const uint32_t turned = turn == 0 ? mask : mask >> turn | mask << (32 - turn);
  return (static_cast<uint32_t>(__builtin_ctz(turned)) + turn) % 32;
}

// Gives the CPU to another thread, or to the host if none can go on. Returns when somebody made this one ready.
void suspend() {
  Fiber& self = block->fibers[block->running];
  const uint32_t next = next_thread();
  if (next == MOST_THREADS) {
    emulator_switch(&self.stack, host_stack);
  } else if (next != block->running) {
    choose(next);
    emulator_switch(&self.stack, block->fibers[next].stack);
  }
}

[[noreturn]] void leave() {
  void* forgotten;
  emulator_switch(&forgotten, host_stack);
  __builtin_unreachable();
}

void complete(const Copy& copy) {
  if (copy.zeros) {
    memset(copy.to, 0, 16);
  } else {
    memcpy(copy.to, copy.from, 16);
  }
}

}  // namespace

void choose(uint32_t thread) {
  block->running = thread;
  thread_index = Index{thread, 0, 0};
  own_deposit = &block->warps[thread / 32].deposits[thread % 32];
}

// A lane of the same warp if one can.
uint32_t next_thread() {
  uint32_t warp = block->running / 32;
  if (block->warps[warp].ready == 0) {
    if (block->ready_warps == 0) return MOST_THREADS;
    const uint32_t drawn = draw();
    warp = first_from(drawn % 32, block->ready_warps);
    block->turn = drawn / 32 % 32;
  }
  Warp& w = block->warps[warp];
  const uint32_t lane = first_from(block->turn, w.ready);
  w.ready &= ~(1u << lane);
  if (w.ready == 0) block->ready_warps &= ~(1u << warp);
  return warp * 32 + lane;
}

void make_ready(uint32_t warp, uint32_t lanes) {
  if (lanes == 0) return;
  block->warps[warp].ready |= lanes;
  block->ready_warps |= 1u << warp;
}

void end_badly(Outcome how, const char* format, ...) {
  static bool told = false;
  va_list list;
  va_start(list, format);
  if (!told) {
    fprintf(stderr, "emulated GPU: %s, block (%u, %u): ", block->grid->kernel, block->index.x, block->index.y);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
  }
  va_end(list);
  told = true;
  block->outcome = how;
}

void thread_main() {
  block->grid->run(block->grid->args.data());
  Fiber& self = block->fibers[block->running];
  if (block->grid->dependent && !self.waited) fail(Outcome::BAD_PROGRAM, "ends without waiting for the previous grid");
  block->live--;
  block->warps[block->running / 32].live &= ~(1u << block->running % 32);
  suspend();
  __builtin_unreachable();
}

void fail(Outcome how, const char* format, ...) {
  char text[256];
  va_list list;
  va_start(list, format);
  vsnprintf(text, sizeof text, format, list);
  va_end(list);
  end_badly(how, "thread %u %s", block->running, text);
  leave();
}

void check_access(const void* p, size_t bytes, const char* what) {
  if (reinterpret_cast<uintptr_t>(p) % bytes != 0)
    fail(Outcome::BAD_ADDRESS, "makes a %s of %zu bytes at %p, which is not aligned", what, bytes, p);
  if (!is_device_memory(p, bytes))
    fail(Outcome::BAD_ADDRESS, "makes a %s of %zu bytes at %p, which is no device memory", what, bytes, p);
}

void meet(uint32_t mask, Meeting what, Join join) {
  const uint32_t warp = block->running / 32, bit = 1u << block->running % 32;
  if (!(mask & bit)) fail(Outcome::BAD_PROGRAM, "meets with the lanes %08x and is none of them", mask);
  Warp& w = block->warps[warp];
  uint32_t at = 0;
  while (at < w.open && w.gatherings[at].mask != mask) at++;
  if (at == w.open) w.gatherings[w.open++] = Gathering{mask, 0, what};
  Gathering& g = w.gatherings[at];
  if (g.what != what) fail(Outcome::BAD_PROGRAM, "meets lanes that do something else");
  g.come |= bit;
  if (g.come != mask) {
    suspend();
    return;
  }
  g = w.gatherings[--w.open];
  if (join) join(w.deposits, mask);
  make_ready(warp, mask & ~bit);
}

namespace {

void wait_for_all_of(uint32_t threads, uint32_t& in_barrier) {
  if (++in_barrier < threads) {
    suspend();
    return;
  }
  in_barrier = 0;
  for (uint32_t warp = 0; warp < (threads + 31) / 32; warp++) {
    const uint32_t self = warp == block->running / 32 ? 1u << block->running % 32 : 0;
    make_ready(warp, block->warps[warp].live & ~self);
  }
}

}  // namespace

void wait_for_block() { wait_for_all_of(block->grid->threads, block->in_barrier); }

void wait_for_first(uint32_t threads) {
  if (threads % 32 != 0 || block->running >= threads)
    fail(Outcome::BAD_PROGRAM, "is in a barrier of the first %u threads", threads);
  wait_for_all_of(threads, block->in_first);
}

void wait_for_previous() {
  block->fibers[block->running].waited = true;
  if (block->parks) suspend();
}

void launch_next() { block->launched_next = true; }

void start_copy(unsigned char* to, const void* from, bool zeros) {
  check_access(from, 16, "copy");
  if (reinterpret_cast<uintptr_t>(to) % 16 != 0 || to < dynamic_shared || to + 16 > dynamic_shared + dynamic_bytes)
    fail(Outcome::BAD_PROGRAM, "copies to no 16 bytes of shared memory");
  Fiber& self = block->fibers[block->running];
  const Copy copy{to, from, zeros};
  if (block->eager) {
    complete(copy);
  } else {
    self.copies.push_back(copy);
    self.open++;
  }
}

void end_copies() {
  Fiber& self = block->fibers[block->running];
  self.groups.push_back(self.open);
  self.open = 0;
}

void wait_copies(uint32_t pending) {
  Fiber& self = block->fibers[block->running];
  if (self.groups.size() <= pending) return;
  const auto until = self.groups.end() - pending;
  uint32_t count = 0;
  for (auto group = self.groups.begin(); group != until; ++group) count += *group;
  for (uint32_t i = 0; i < count; i++) complete(self.copies[i]);
  self.copies.erase(self.copies.begin(), self.copies.begin() + count);
  self.groups.erase(self.groups.begin(), until);
}

}  // namespace emulator
