// Threads of a block as fibers of one CPU thread: who runs, who waits for whom, what a thread may touch.
//
// Blocks run one after another. Which warp goes on, and which lane of it, is drawn from a seed that changes with every
// block, so that what depends on the order shows as a difference between two runs. A thread runs until it has to wait.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace emulator {

struct Index {
  uint32_t x, y, z;
};

// The running thread's place, as the language gives it.
extern Index thread_index, block_index, block_size, grid_size;
// Dynamic shared memory of the running block, and its length.
extern unsigned char* dynamic_shared;
extern uint32_t dynamic_bytes;

// What lanes of a warp do together; lanes that meet must do the same.
enum class Meeting : uint32_t { NONE, SHUFFLE, REDUCE_MAX, REDUCE_MIN, SYNC, MATRICES, MULTIPLY, BALLOT };

// What a lane hands over, and what it gets.
struct Deposit {
  uint32_t in[10];
  uint32_t out[4];
};
using Join = void (*)(Deposit* lanes, uint32_t mask);

// The running thread's.
extern Deposit* own_deposit;
// Waits until all lanes of `mask` have come, each with its deposit filled; the last calls `join` for all.
void meet(uint32_t mask, Meeting what, Join join);
void wait_for_block();
// Whole warps; one barrier at a time.
void wait_for_first(uint32_t threads);

// Programmatic launch: parks the thread where its grid was started early.
void wait_for_previous();
void launch_next();

enum class Outcome { WELL, BAD_ADDRESS, BAD_PROGRAM };

// Ends the block with one line on stderr.
[[noreturn]] void fail(Outcome how, const char* format, ...) __attribute__((format(printf, 2, 3)));
// Fails unless `bytes` at `p` are device memory, and aligned to their size.
void check_access(const void* p, size_t bytes, const char* what);

// Copies of 16 bytes that complete when they are waited for, or at once: a block does one or the other.
void start_copy(unsigned char* to, const void* from, bool zeros);
void end_copies();
void wait_copies(uint32_t pending);

// A grid as it was launched.
struct Grid {
  const char* kernel;
  void (*run)(const void* args);
  std::vector<uint64_t> args;
  Index blocks;
  uint32_t threads;
  uint32_t shared_bytes;
  bool dependent;
};

struct Block;

// Blocks of a grid that have run up to their wait.
struct Parked {
  std::vector<std::unique_ptr<Block>> blocks;
  std::vector<uint32_t> numbers;
  bool launched_next = true;
  std::vector<bool> ended;
  Parked();
  Parked(Parked&&);
  Parked& operator=(Parked&&);
  ~Parked();
};

// Starts some blocks of `grid` before the grids in front of it have run.
Parked start_early(const Grid& grid);
// Runs those of the blocks to their ends that have not let the next grid start yet.
Outcome let_next_start(Parked& early);
// Runs all blocks of `grid`, or those up to the first that fails.
Outcome run(const Grid& grid, Parked early);

}  // namespace emulator
