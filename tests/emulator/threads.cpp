// Fibers, their order, and how a block ends: well, in a deadlock, or at a fault.
#include "threads.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "memory.hpp"
#include "switch.hpp"

// Static shared variables of all kernels lie in one section: a block that is parked takes its own with it.
extern "C" {
extern unsigned char __start_emulated_shared[] __attribute__((visibility("hidden")));
extern unsigned char __stop_emulated_shared[] __attribute__((visibility("hidden")));
}

namespace emulator {

Index thread_index, block_index, block_size, grid_size;
unsigned char* dynamic_shared;
uint32_t dynamic_bytes;
Deposit* own_deposit;

namespace {

constexpr uint32_t MOST_THREADS = 1024;
constexpr size_t STACK_BYTES = 64 << 10;
// Stacks begin in other sets of the caches than their neighbours.
constexpr size_t STACK_STRIDE = STACK_BYTES + 9 * 64;
constexpr unsigned char RUBBISH = 0xff;
// Past the end of dynamic shared memory; a block that writes there fails.
constexpr uint32_t GUARD_BYTES = 256;

struct Copy {
  unsigned char* to;
  const void* from;
  bool zeros;
};

struct Fiber {
  void* stack;
  bool waited;
  std::vector<Copy> copies;       // oldest first
  std::vector<uint32_t> groups;   // how many of them each closed group has
  uint32_t open;                  // copies behind the last group
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

}  // namespace

struct Block {
  const Grid* grid;
  Index index;
  uint32_t number;
  Fiber fibers[MOST_THREADS];
  Warp warps[MOST_THREADS / 32];
  uint32_t ready_warps, running, live, in_barrier;
  uint32_t turn;  // which lane of a warp goes first
  bool parks, eager, launched_next;
  Outcome outcome;
  uint64_t random;
  std::vector<unsigned char> shared, statics;
  unsigned char* stacks;

  Block() {
    void* memory = mmap(nullptr, MOST_THREADS * STACK_STRIDE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    stacks = memory == MAP_FAILED ? nullptr : static_cast<unsigned char*>(memory);
  }
  ~Block() { munmap(stacks, MOST_THREADS * STACK_STRIDE); }
  Block(const Block&) = delete;

  void* top(uint32_t thread) { return stacks + thread * STACK_STRIDE + STACK_BYTES; }
};

namespace {

Block* block;      // that runs
void* host_stack;  // of whoever runs it
uint64_t seed = getenv("EMULATOR_SEED") ? strtoull(getenv("EMULATOR_SEED"), nullptr, 10) : 1;
std::vector<std::unique_ptr<Block>> spare;

uint32_t draw() {
  block->random = block->random * 6364136223846793005ull + 1442695040888963407ull;
  return static_cast<uint32_t>(block->random >> 33);
}

// The first of the bits that are set, counted from bit `turn`.
uint32_t first_from(uint32_t turn, uint32_t mask) {
  const uint32_t turned = turn == 0 ? mask : mask >> turn | mask << (32 - turn);
  return (static_cast<uint32_t>(__builtin_ctz(turned)) + turn) % 32;
}

// Makes `thread` the one that runs.
void choose(uint32_t thread) {
  block->running = thread;
  thread_index = Index{thread, 0, 0};
  own_deposit = &block->warps[thread / 32].deposits[thread % 32];
}

// Who runs next: a lane of the same warp if one can. Nobody: MOST_THREADS.
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

// Ends the block; the first that is ended so is told of, the others follow from it or from chance.
void end_badly(Outcome how, const char* format, ...) __attribute__((format(printf, 2, 3)));
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

// What a read or write of no memory becomes: the end of the block.
void fall() { fail(Outcome::BAD_ADDRESS, "touches memory that is not there"); }

void on_fault(int, siginfo_t*, void* context) {
  // The handler returns into `fall`, at the top of the thread's own stack, which nobody needs any more.
  auto& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
  const uintptr_t top = reinterpret_cast<uintptr_t>(block->top(block->running));
#if defined(__x86_64__)
  machine.gregs[REG_RSP] = static_cast<greg_t>(top - 8);
  machine.gregs[REG_RIP] = static_cast<greg_t>(reinterpret_cast<uintptr_t>(&fall));
#else
  machine.sp = top;
  machine.pc = reinterpret_cast<uintptr_t>(&fall);
#endif
}

// Faults are ours while a block runs.
class FaultHandler {
 public:
  FaultHandler() {
    static char stack[64 << 10];
    stack_t own{};
    own.ss_sp = stack;
    own.ss_size = sizeof stack;
    sigaltstack(&own, &old_stack_);
    struct sigaction action {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &action, &old_segv_);
    sigaction(SIGBUS, &action, &old_bus_);
  }
  ~FaultHandler() {
    sigaction(SIGSEGV, &old_segv_, nullptr);
    sigaction(SIGBUS, &old_bus_, nullptr);
    sigaltstack(&old_stack_, nullptr);
  }

 private:
  stack_t old_stack_;
  struct sigaction old_segv_, old_bus_;
};

std::unique_ptr<Block> new_block(const Grid& grid, uint32_t number, bool parks) {
  std::unique_ptr<Block> made;
  if (spare.empty()) {
    made = std::make_unique<Block>();
  } else {
    made = std::move(spare.back());
    spare.pop_back();
  }
  Block& b = *made;
  b.grid = &grid;
  b.number = number;
  b.index = Index{number % grid.blocks.x, number / grid.blocks.x % grid.blocks.y, number / grid.blocks.x / grid.blocks.y};
  b.random = seed++ * 0x9e3779b97f4a7c15ull;
  b.eager = b.random >> 40 & 1;
  b.parks = parks;
  b.launched_next = false;
  b.outcome = Outcome::WELL;
  b.live = grid.threads;
  b.in_barrier = b.turn = 0;
  b.running = 0;
  b.ready_warps = 0;
  for (auto& warp : b.warps) {
    warp.ready = warp.live = warp.open = 0;
  }
  for (uint32_t t = 0; t < grid.threads; t++) {
    Fiber& f = b.fibers[t];
    f.stack = new_stack(b.top(t), thread_main);
    f.waited = false;
    f.copies.clear();
    f.groups.clear();
    f.open = 0;
    b.warps[t / 32].ready |= 1u << t % 32;
    b.warps[t / 32].live |= 1u << t % 32;
    b.ready_warps |= 1u << t / 32;
  }
  b.shared.assign(grid.shared_bytes + GUARD_BYTES + 128, RUBBISH);
  b.statics.assign(__stop_emulated_shared - __start_emulated_shared, RUBBISH);
  return made;
}

unsigned char* aligned_shared(Block& b) {
  const uintptr_t at = reinterpret_cast<uintptr_t>(b.shared.data());
  return b.shared.data() + (128 - at % 128) % 128;
}

// Lets the block's threads run until none can go on.
void resume(Block& b) {
  block = &b;
  memcpy(__start_emulated_shared, b.statics.data(), b.statics.size());
  dynamic_shared = aligned_shared(b);
  dynamic_bytes = b.grid->shared_bytes;
  block_index = b.index;
  grid_size = b.grid->blocks;
  block_size = Index{b.grid->threads, 1, 1};
  const uint32_t first = next_thread();
  if (first != MOST_THREADS) {
    choose(first);
    emulator_switch(&host_stack, b.fibers[first].stack);
  }
  memcpy(b.statics.data(), __start_emulated_shared, b.statics.size());
  for (uint32_t i = 0; i < GUARD_BYTES && b.outcome == Outcome::WELL; i++) {
    if (dynamic_shared[dynamic_bytes + i] != RUBBISH) end_badly(Outcome::BAD_PROGRAM, "wrote behind its %u bytes of dynamic shared memory", dynamic_bytes);
  }
}

// Runs a block to its end.
Outcome finish(std::unique_ptr<Block> made) {
  Block& b = *made;
  if (b.parks) {
    b.parks = false;
    block = made.get();
    for (uint32_t t = 0; t < b.grid->threads; t++) {
      if (b.fibers[t].waited) make_ready(t / 32, 1u << t % 32);
    }
  }
  if (b.outcome == Outcome::WELL) resume(b);
  if (b.outcome == Outcome::WELL && b.live > 0) end_badly(Outcome::BAD_PROGRAM, "deadlock: %u threads wait, %u of them for the whole block", b.live, b.in_barrier);
  const Outcome outcome = b.outcome;
  spare.push_back(std::move(made));
  return outcome;
}

}  // namespace

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
  if (reinterpret_cast<uintptr_t>(p) % bytes != 0) fail(Outcome::BAD_ADDRESS, "makes a %s of %zu bytes at %p, which is not aligned", what, bytes, p);
  if (!is_device_memory(p, bytes)) fail(Outcome::BAD_ADDRESS, "makes a %s of %zu bytes at %p, which is no device memory", what, bytes, p);
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

void wait_for_block() {
  if (++block->in_barrier < block->grid->threads) {
    suspend();
    return;
  }
  block->in_barrier = 0;
  for (uint32_t warp = 0; warp < (block->grid->threads + 31) / 32; warp++) {
    const uint32_t self = warp == block->running / 32 ? 1u << block->running % 32 : 0;
    make_ready(warp, block->warps[warp].live & ~self);
  }
}

void wait_for_previous() {
  block->fibers[block->running].waited = true;
  if (block->parks) suspend();
}

void launch_next() { block->launched_next = true; }

namespace {
void complete(const Copy& copy) {
  if (copy.zeros) {
    memset(copy.to, 0, 16);
  } else {
    memcpy(copy.to, copy.from, 16);
  }
}
}  // namespace

void start_copy(unsigned char* to, const void* from, bool zeros) {
  check_access(from, 16, "copy");
  if (reinterpret_cast<uintptr_t>(to) % 16 != 0 || to < dynamic_shared || to + 16 > dynamic_shared + dynamic_bytes) fail(Outcome::BAD_PROGRAM, "copies to no 16 bytes of shared memory");
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

Parked::Parked() = default;
Parked::Parked(Parked&&) = default;
Parked& Parked::operator=(Parked&&) = default;
Parked::~Parked() {
  for (auto& made : blocks) {
    if (made) spare.push_back(std::move(made));
  }
}

Parked start_early(const Grid& grid) {
  const FaultHandler handler;
  Parked started;
  const uint32_t count = grid.blocks.x * grid.blocks.y * grid.blocks.z;
  // The first and the last: often those with more to do than others.
  started.numbers.push_back(0);
  if (count > 1) started.numbers.push_back(count - 1);
  for (uint32_t number : started.numbers) {
    started.blocks.push_back(new_block(grid, number, true));
    resume(*started.blocks.back());
    started.launched_next &= started.blocks.back()->launched_next;
  }
  return started;
}

Outcome run(const Grid& grid, Parked early) {
  const FaultHandler handler;
  const uint32_t count = grid.blocks.x * grid.blocks.y * grid.blocks.z;
  const bool backwards = seed & 1;
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t number = backwards ? count - 1 - i : i;
    std::unique_ptr<Block> made;
    for (size_t e = 0; e < early.numbers.size(); e++) {
      if (early.numbers[e] == number) made = std::move(early.blocks[e]);
    }
    if (!made) made = new_block(grid, number, false);
    const Outcome outcome = finish(std::move(made));
    if (outcome != Outcome::WELL) return outcome;
  }
  return Outcome::WELL;
}

}  // namespace emulator
