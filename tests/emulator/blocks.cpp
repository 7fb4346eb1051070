// How a block begins, and how it ends: well, in a deadlock, or at a fault. Grids are their blocks one after another.
#include <signal.h>
#include <ucontext.h>

#include <cstdlib>
#include <cstring>

#include "block.hpp"
#include "switch.hpp"

// Static shared variables of all kernels lie in one section: a block that is parked takes its own with it.
extern "C" {
extern unsigned char __start_emulated_shared[] __attribute__((visibility("hidden")));
extern unsigned char __stop_emulated_shared[] __attribute__((visibility("hidden")));
}

namespace emulator {
namespace {

constexpr unsigned char RUBBISH = 0xff;
// Past the end of dynamic shared memory; a block that writes there fails.
constexpr uint32_t GUARD_BYTES = 256;

uint64_t seed = getenv("EMULATOR_SEED") ? strtoull(getenv("EMULATOR_SEED"), nullptr, 10) : 1;
std::vector<std::unique_ptr<Block>> spare;

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
    struct sigaction action{};
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
  b.index =
      Index{number % grid.blocks.x, number / grid.blocks.x % grid.blocks.y, number / grid.blocks.x / grid.blocks.y};
  b.random = seed++ * 0x9e3779b97f4a7c15ull;
  b.eager = b.random >> 40 & 1;
  b.parks = parks;
  b.launched_next = false;
  b.outcome = Outcome::WELL;
  b.live = grid.threads;
  b.in_barrier = b.in_first = b.ready_warps = 0;
  // The first to run: any thread.
  b.running = static_cast<uint32_t>(b.random >> 44) % grid.threads;
  b.turn = b.running % 32;
  for (auto& warp : b.warps) warp.ready = warp.live = warp.open = 0;
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
    if (dynamic_shared[dynamic_bytes + i] != RUBBISH)
      end_badly(Outcome::BAD_PROGRAM, "wrote behind its %u bytes of dynamic shared memory", dynamic_bytes);
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
  if (b.outcome == Outcome::WELL && b.live > 0)
    end_badly(Outcome::BAD_PROGRAM, "deadlock: %u threads wait, %u of them for the whole block", b.live, b.in_barrier);
  const Outcome outcome = b.outcome;
  spare.push_back(std::move(made));
  return outcome;
}

}  // namespace

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
  started.ended.resize(started.numbers.size());
  return started;
}

Outcome let_next_start(Parked& early) {
  const FaultHandler handler;
  for (size_t e = 0; e < early.blocks.size(); e++) {
    if (early.blocks[e]->launched_next) continue;
    early.ended[e] = true;
    const Outcome outcome = finish(std::move(early.blocks[e]));
    if (outcome != Outcome::WELL) return outcome;
  }
  early.launched_next = true;
  return Outcome::WELL;
}

Outcome run(const Grid& grid, Parked early) {
  const FaultHandler handler;
  const uint32_t count = grid.blocks.x * grid.blocks.y * grid.blocks.z;
  const bool backwards = seed & 1;
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t number = backwards ? count - 1 - i : i;
    std::unique_ptr<Block> made;
    bool ended = false;
    for (size_t e = 0; e < early.numbers.size(); e++) {
      if (early.numbers[e] != number) continue;
      ended = early.ended[e];
      made = std::move(early.blocks[e]);
    }
    if (ended) continue;
    if (!made) made = new_block(grid, number, false);
    const Outcome outcome = finish(std::move(made));
    if (outcome != Outcome::WELL) return outcome;
  }
  return Outcome::WELL;
}

}  // namespace emulator
