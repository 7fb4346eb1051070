// libcuda for one emulated GPU: every function that the program calls. Work is done when it is queued, except for what
// a stream captures; a failure is told by every later call, as CUDA does. EMULATOR_EARLY=1: in a graph, blocks of
// dependent kernels run up to their wait before the kernels in front of them. EMULATOR_SEED: number that the order of
// threads follows from.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "memory.hpp"
#include "registry.hpp"
#include "threads.hpp"

#define CALL(name, ...) extern "C" __attribute__((visibility("default"))) int name(__VA_ARGS__)

emulator::Kernel* emulator::kernels = nullptr;

namespace {

using emulator::Grid;
using emulator::Kernel;
using emulator::Parked;

enum Status {
  SUCCESS,
  INVALID_VALUE = 1,
  OUT_OF_MEMORY = 2,
  INVALID_DEVICE = 101,
  NOT_FOUND = 500,
  ILLEGAL_ADDRESS = 700,
  LAUNCH_FAILED = 719,
};

constexpr uint32_t SM_COUNT = 4;
constexpr uint32_t MOST_SHARED_BYTES = 99 << 10;
constexpr size_t EARLY_GRIDS = 2;

using Address = unsigned long long;

// Queued work: a grid, or what the host can do by itself.
struct Work {
  Grid grid;
  std::function<int()> other;
};

struct Stream {
  bool captures = false;
  std::vector<Work> captured;
};

struct Graph {
  std::vector<Work> work;
};

struct Event {
  std::chrono::steady_clock::time_point at;
};

std::recursive_mutex lock;
int failure = SUCCESS;
Stream default_stream;
int object;  // what contexts and modules point to

void* pointer(Address address) { return reinterpret_cast<void*>(static_cast<uintptr_t>(address)); }

void note(emulator::Outcome outcome) {
  if (outcome != emulator::Outcome::WELL)
    failure = outcome == emulator::Outcome::BAD_ADDRESS ? ILLEGAL_ADDRESS : LAUNCH_FAILED;
}

int carry_out(const Work& work, Parked early = Parked()) {
  if (failure != SUCCESS) return failure;
  if (work.other) return work.other();
  note(emulator::run(work.grid, std::move(early)));
  return SUCCESS;  // a launch has no outcome yet
}

int queue(void* handle, Work work) {
  Stream& stream = handle ? *static_cast<Stream*>(handle) : default_stream;
  if (stream.captures) {
    stream.captured.push_back(std::move(work));
    return SUCCESS;
  }
  return carry_out(work);
}

void run_early(const std::vector<Work>& work) {
  std::vector<Parked> parked(work.size());
  std::vector<bool> started(work.size());
  auto start = [&](size_t i) {
    if (!started[i]) parked[i] = emulator::start_early(work[i].grid);
    started[i] = true;
  };
  for (size_t i = 0; i < work.size(); i++) {
    for (size_t next = i + 1; next < work.size() && next <= i + EARLY_GRIDS && failure == SUCCESS; next++) {
      if (work[next].other || work[i].other || !work[next].grid.dependent) break;
      // A grid may start once all blocks of the one in front of it have allowed it; those of the first may run as far as that.
      if (next == i + 1) start(i);
      if (!parked[next - 1].launched_next) {
        if (next > i + 1) break;
        note(emulator::let_next_start(parked[i]));
      }
      start(next);
    }
    carry_out(work[i], std::move(parked[i]));
  }
}

bool starts_early() {
  static const char* const asked = getenv("EMULATOR_EARLY");
  return asked && strcmp(asked, "1") == 0;
}

int text(char* out, int size, const char* value) {
  if (strlen(value) >= static_cast<size_t>(size)) return INVALID_VALUE;
  strcpy(out, value);
  return SUCCESS;
}

int copy(void* stream, void* to, const void* from, size_t bytes, bool to_device, bool from_device) {
  if (to_device && !emulator::is_device_memory(to, bytes)) return INVALID_VALUE;
  if (from_device && !emulator::is_device_memory(from, bytes)) return INVALID_VALUE;
  return queue(stream, Work{{}, [=] { return memmove(to, from, bytes), SUCCESS; }});
}

}  // namespace

#define LOCKED const std::lock_guard<std::recursive_mutex> locked(lock)
// Calls that say how all work up to now has ended.
#define TOLD \
  LOCKED;    \
  return failure;

CALL(cuDriverGetVersion, int* version) { return *version = 13000, SUCCESS; }
CALL(cuInit, unsigned) { return SUCCESS; }
CALL(cuGetErrorName, int status, const char** name) {
  *name = status == LAUNCH_FAILED     ? "CUDA_ERROR_LAUNCH_FAILED"
          : status == ILLEGAL_ADDRESS ? "CUDA_ERROR_ILLEGAL_ADDRESS"
                                      : nullptr;
  return *name ? SUCCESS : INVALID_VALUE;
}

CALL(cuDeviceGetCount, int* count) { return *count = 1, SUCCESS; }
CALL(cuDeviceGet, int* device, int ordinal) { return *device = ordinal, ordinal == 0 ? SUCCESS : INVALID_DEVICE; }
CALL(cuDeviceGetName, char* name, int size, int) { return text(name, size, "Emulated GPU"); }
CALL(cuDeviceGetPCIBusId, char* id, int size, int) { return text(id, size, "0000:00:00.0"); }
CALL(cuDeviceGetUuid_v2, char* uuid, int) { return memset(uuid, 0xe0, 16), SUCCESS; }
CALL(cuDeviceTotalMem_v2, size_t* bytes, int) { return *bytes = emulator::DEVICE_BYTES, SUCCESS; }
CALL(cuDeviceGetAttribute, int* value, int attribute, int) {
  switch (attribute) {
    case 13:
      *value = 1000000;
      break;  // clock, kHz
    case 16:
      *value = SM_COUNT;
      break;  // multiprocessors
    case 18:
      *value = 0;
      break;  // integrated
    case 36:
      *value = 1000000;
      break;  // memory clock, kHz
    case 37:
      *value = 256;
      break;  // bus, bits
    case 38:
      *value = 1 << 20;
      break;  // L2, bytes
    case 75:
      *value = 9;
      break;  // capability
    case 76:
      *value = 0;
      break;
    case 97:
      *value = MOST_SHARED_BYTES;
      break;  // shared memory of a block, bytes
    case 81:
      *value = MOST_SHARED_BYTES + 1024;
      break;  // of a multiprocessor
    default:
      return INVALID_VALUE;
  }
  return SUCCESS;
}

CALL(cuDevicePrimaryCtxRetain, void** context, int) { return *context = &object, SUCCESS; }
CALL(cuDevicePrimaryCtxRelease_v2, int) { return SUCCESS; }
CALL(cuCtxGetCurrent, void** context) { return *context = &object, SUCCESS; }
CALL(cuCtxSetCurrent, void*) { return SUCCESS; }
CALL(cuCtxSynchronize){TOLD}

CALL(cuModuleLoadData, void** module, const void* image) {
  return *module = &object, image ? SUCCESS : INVALID_VALUE;
}
CALL(cuModuleUnload, void*) { return SUCCESS; }
CALL(cuModuleGetFunction, void** function, void*, const char* name) {
  *function = emulator::find_kernel(name);
  return *function ? SUCCESS : NOT_FOUND;
}
CALL(cuFuncGetAttribute, int* value, int attribute, void* function) {
  switch (attribute) {
    case 6:
      *value = 90;
      break;  // architecture of the code
    case 8:
      *value = static_cast<int>(static_cast<Kernel*>(function)->most_shared_bytes);
      break;
    default:
      return INVALID_VALUE;
  }
  return SUCCESS;
}
CALL(cuFuncSetAttribute, void* function, int attribute, int value) {
  // How the memory of a multiprocessor is to be shared out, in per cent.
  if (attribute == 9 && value >= 0 && value <= 100) return SUCCESS;
  if (attribute != 8 || value < 0 || static_cast<uint32_t>(value) > MOST_SHARED_BYTES) return INVALID_VALUE;
  static_cast<Kernel*>(function)->most_shared_bytes = static_cast<uint32_t>(value);
  return SUCCESS;
}
CALL(cuFuncGetParamInfo, void* function, size_t index, size_t* offset, size_t* size) {
  if (index != 0 || !static_cast<Kernel*>(function)->run) return INVALID_VALUE;
  *offset = 0;
  *size = static_cast<Kernel*>(function)->args_bytes;
  return SUCCESS;
}

namespace {
struct Attribute {
  uint32_t id;
  alignas(8) unsigned char value[64];
};
struct Config {
  uint32_t grid[3], block[3], shared_bytes;
  void* stream;
  const Attribute* attributes;
  uint32_t attribute_count;
};
constexpr uint32_t DEPENDENT_LAUNCH = 6;
}  // namespace

CALL(cuLaunchKernelEx, const Config* config, void* function, void** args, void**) {
  LOCKED;
  const Config& c = *config;
  const Kernel& kernel = *static_cast<Kernel*>(function);
  const uint64_t blocks = uint64_t{c.grid[0]} * c.grid[1] * c.grid[2];
  const bool possible = blocks != 0 && c.grid[1] <= 65535 && c.grid[2] <= 65535 && c.block[0] >= 1 &&
                        c.block[0] <= 1024 && c.block[1] == 1 && c.block[2] == 1 &&
                        c.shared_bytes <= kernel.most_shared_bytes;
  if (!possible || !kernel.run) return INVALID_VALUE;
  Grid grid{kernel.name, kernel.run, {}, {c.grid[0], c.grid[1], c.grid[2]}, c.block[0], c.shared_bytes, false};
  grid.args.resize((kernel.args_bytes + 7) / 8);
  memcpy(grid.args.data(), args[0], kernel.args_bytes);
  for (uint32_t i = 0; i < c.attribute_count; i++) {
    if (c.attributes[i].id == DEPENDENT_LAUNCH && c.attributes[i].value[0] == 1) grid.dependent = true;
  }
  return queue(c.stream, Work{std::move(grid), nullptr});
}

CALL(cuMemGetInfo_v2, size_t* available, size_t* bytes) {
  LOCKED;
  *bytes = emulator::DEVICE_BYTES;
  *available = emulator::free_bytes();
  return failure;
}
CALL(cuMemAlloc_v2, Address* address, size_t bytes) {
  LOCKED;
  *address = reinterpret_cast<uintptr_t>(emulator::allocate(bytes));
  return failure != SUCCESS ? failure : *address ? SUCCESS : OUT_OF_MEMORY;
}
CALL(cuMemFree_v2, Address address) {
  LOCKED;
  return emulator::release(pointer(address)) ? failure : INVALID_VALUE;
}
CALL(cuMemHostAlloc, void** host, size_t bytes, unsigned) {
  LOCKED;
  *host = emulator::allocate_host(bytes);
  return failure != SUCCESS ? failure : *host ? SUCCESS : OUT_OF_MEMORY;
}
CALL(cuMemFreeHost, void* host) {
  LOCKED;
  return emulator::release(host) ? failure : INVALID_VALUE;
}
CALL(cuMemHostGetDevicePointer_v2, Address* address, void* host, unsigned) {
  LOCKED;
  *address = reinterpret_cast<uintptr_t>(host);
  return emulator::is_device_memory(host, 1) ? SUCCESS : INVALID_VALUE;
}
CALL(cuMemcpyDtoHAsync_v2, void* to, Address from, size_t bytes, void* stream) {
  LOCKED;
  return copy(stream, to, pointer(from), bytes, false, true);
}
CALL(cuMemcpyHtoDAsync_v2, Address to, const void* from, size_t bytes, void* stream) {
  LOCKED;
  return copy(stream, pointer(to), from, bytes, true, false);
}
CALL(cuMemcpyDtoDAsync_v2, Address to, Address from, size_t bytes, void* stream) {
  LOCKED;
  return copy(stream, pointer(to), pointer(from), bytes, true, true);
}
CALL(cuMemsetD8Async, Address at, unsigned char value, size_t bytes, void* stream) {
  LOCKED;
  if (!emulator::is_device_memory(pointer(at), bytes)) return INVALID_VALUE;
  return queue(stream, Work{{}, [=] { return memset(pointer(at), value, bytes), SUCCESS; }});
}

CALL(cuStreamCreate, void** stream, unsigned) { return *stream = new Stream, SUCCESS; }
CALL(cuStreamDestroy_v2, void* stream) { return delete static_cast<Stream*>(stream), SUCCESS; }
CALL(cuStreamSynchronize, void*){TOLD} CALL(cuStreamQuery, void*){TOLD} CALL(cuStreamBeginCapture_v2, void* stream,
                                                                             unsigned) {
  LOCKED;
  static_cast<Stream*>(stream)->captures = true;
  return failure;
}
CALL(cuStreamEndCapture, void* handle, void** graph) {
  LOCKED;
  Stream& stream = *static_cast<Stream*>(handle);
  stream.captures = false;
  *graph = new Graph{std::move(stream.captured)};
  stream.captured.clear();
  return failure;
}
CALL(cuGraphInstantiateWithFlags, void** executable, void* graph, unsigned long long) {
  return *executable = new Graph(*static_cast<Graph*>(graph)), SUCCESS;
}
CALL(cuGraphUpload, void*, void*){TOLD} CALL(cuGraphLaunch, void* executable, void*) {
  LOCKED;
  if (failure != SUCCESS) return failure;
  const auto& work = static_cast<Graph*>(executable)->work;
  if (starts_early()) {
    run_early(work);
  } else {
    for (const Work& each : work) carry_out(each);
  }
  return SUCCESS;
}
CALL(cuGraphDestroy, void* graph) { return delete static_cast<Graph*>(graph), SUCCESS; }
CALL(cuGraphExecDestroy, void* executable) { return delete static_cast<Graph*>(executable), SUCCESS; }

CALL(cuEventCreate, void** event, unsigned) { return *event = new Event, SUCCESS; }
CALL(cuEventDestroy_v2, void* event) { return delete static_cast<Event*>(event), SUCCESS; }
CALL(cuEventRecord, void* event, void*) {
  LOCKED;
  static_cast<Event*>(event)->at = std::chrono::steady_clock::now();
  return failure;
}
CALL(cuEventSynchronize, void*){TOLD} CALL(cuEventElapsedTime_v2, float* milliseconds, void* start, void* end) {
  LOCKED;
  const auto time = static_cast<Event*>(end)->at - static_cast<Event*>(start)->at;
  *milliseconds = std::chrono::duration<float, std::milli>(time).count();
  return failure;
}
