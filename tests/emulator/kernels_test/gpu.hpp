// A GPU as the tests use it, through the driver's own functions: the emulated one, or a real one where libcuda is that
// of a driver and the image is what `spark-engine kernels` writes.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

extern "C" {
int cuInit(unsigned flags);
int cuDeviceGet(int* device, int ordinal);
int cuDeviceGetAttribute(int* value, int attribute, int device);
int cuDevicePrimaryCtxRetain(void** context, int device);
int cuCtxSetCurrent(void* context);
int cuModuleLoadData(void** module, const void* image);
int cuModuleGetFunction(void** function, void* module, const char* name);
int cuFuncSetAttribute(void* function, int attribute, int value);
int cuLaunchKernelEx(const void* config, void* function, void** args, void** extra);
int cuMemAlloc_v2(unsigned long long* address, size_t bytes);
int cuMemFree_v2(unsigned long long address);
int cuMemcpyDtoHAsync_v2(void* to, unsigned long long from, size_t bytes, void* stream);
int cuMemcpyHtoDAsync_v2(unsigned long long to, const void* from, size_t bytes, void* stream);
int cuMemsetD8Async(unsigned long long at, unsigned char value, size_t bytes, void* stream);
int cuStreamCreate(void** stream, unsigned flags);
int cuStreamSynchronize(void* stream);
int cuStreamBeginCapture_v2(void* stream, unsigned mode);
int cuStreamEndCapture(void* stream, void** graph);
int cuGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long flags);
int cuGraphLaunch(void* executable, void* stream);
int cuGraphDestroy(void* graph);
int cuGraphExecDestroy(void* executable);
}

#define CHECK(call)                                                       \
  do {                                                                    \
    if (const int status = call) {                                        \
      printf("FAIL %s returned %d in %s\n", #call, status, test.c_str()); \
      exit(1);                                                            \
    }                                                                     \
  } while (0)

// What runs now, for messages.
inline std::string test = "start";

struct Shape {
  uint32_t x, y, threads;
  size_t shared_bytes;
};

class Gpu {
 public:
  // `image` is the file of the kernels; the emulated GPU needs none.
  explicit Gpu(const char* image) {
    int device;
    void* context;
    CHECK(cuInit(0));
    CHECK(cuDeviceGet(&device, 0));
    CHECK(cuDevicePrimaryCtxRetain(&context, device));
    CHECK(cuCtxSetCurrent(context));
    int count;
    CHECK(cuDeviceGetAttribute(&count, 16, device));
    sm_count = static_cast<uint32_t>(count);
    CHECK(cuStreamCreate(&stream_, 1));
    const std::vector<uint64_t> bytes = read(image);
    CHECK(cuModuleLoadData(&module_, bytes.data()));
  }

  uint32_t sm_count;

  // `count` elements whose bits are all 1: floats that are not numbers.
  template <class T>
  T* make(size_t count) {
    unsigned long long address;
    CHECK(cuMemAlloc_v2(&address, count * sizeof(T)));
    CHECK(cuMemsetD8Async(address, 0xff, count * sizeof(T), stream_));
    taken_.push_back(address);
    return reinterpret_cast<T*>(static_cast<uintptr_t>(address));
  }

  template <class T>
  void write(T* to, const std::vector<T>& from) {
    CHECK(cuMemcpyHtoDAsync_v2(reinterpret_cast<uintptr_t>(to), from.data(), from.size() * sizeof(T), stream_));
    CHECK(cuStreamSynchronize(stream_));
  }

  template <class T>
  T* upload(const std::vector<T>& from) {
    T* to = make<T>(from.size());
    write(to, from);
    return to;
  }

  template <class T>
  std::vector<T> read(const T* from, size_t count) {
    std::vector<T> to(count);
    CHECK(cuMemcpyDtoHAsync_v2(to.data(), reinterpret_cast<uintptr_t>(from), count * sizeof(T), stream_));
    CHECK(cuStreamSynchronize(stream_));
    return to;
  }

  template <class Args>
  void launch(const std::string& kernel, Shape shape, const Args& args) {
    if (shape.shared_bytes > 48 << 10) {
      void* function;
      CHECK(cuModuleGetFunction(&function, module_, kernel.c_str()));
      CHECK(cuFuncSetAttribute(function, 8, static_cast<int>(shape.shared_bytes)));
    }
    CHECK(attempt(kernel, shape, args));
  }

  // What the driver says to a launch.
  template <class Args>
  int attempt(const std::string& kernel, Shape shape, const Args& args) {
    void* function;
    if (const int status = cuModuleGetFunction(&function, module_, kernel.c_str())) return status;
    Attribute dependent{};
    dependent.id = 6;
    dependent.value[0] = 1;
    const Config config{{shape.x, shape.y, 1},
                        {shape.threads, 1, 1},
                        static_cast<uint32_t>(shape.shared_bytes),
                        stream_,
                        &dependent,
                        chained_};
    Args copy = args;
    void* pointers[] = {&copy};
    if (capturing_) chained_ = 1;
    return cuLaunchKernelEx(&config, function, pointers, nullptr);
  }

  // Runs what `work` launches as one graph of dependent kernels.
  template <class Work>
  void chain(Work work, bool may_fail = false) {
    void *graph, *executable;
    CHECK(cuStreamBeginCapture_v2(stream_, 1));
    capturing_ = true;
    work();
    capturing_ = false;
    chained_ = 0;
    CHECK(cuStreamEndCapture(stream_, &graph));
    CHECK(cuGraphInstantiateWithFlags(&executable, graph, 0));
    CHECK(cuGraphLaunch(executable, stream_));
    if (may_fail) return;
    CHECK(cuStreamSynchronize(stream_));
    CHECK(cuGraphExecDestroy(executable));
    CHECK(cuGraphDestroy(graph));
  }

  // How everything up to now has ended.
  int status() { return cuStreamSynchronize(stream_); }

  // Frees everything that was made.
  void clear() {
    for (const unsigned long long address : taken_) CHECK(cuMemFree_v2(address));
    taken_.clear();
  }

 private:
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

  static std::vector<uint64_t> read(const char* path) {
    std::vector<uint64_t> words(1);
    FILE* file = path ? fopen(path, "rb") : nullptr;
    if (!file) return words;
    uint64_t word = 0;
    words.clear();
    while (fread(&word, 1, sizeof word, file) > 0) words.push_back(word), word = 0;
    fclose(file);
    return words;
  }

  void *stream_, *module_;
  bool capturing_ = false;
  uint32_t chained_ = 0;
  std::vector<unsigned long long> taken_;
};

// Counts what was compared and says what differs.
class Report {
 public:
  void check(const std::string& what, double error, double limit) {
    count_++;
    if (error <= limit) return;
    failed_++;
    printf("FAIL %s, %s: %.3g, at most %.3g\n", test.c_str(), what.c_str(), error, limit);
  }
  void check(const std::string& what, bool holds) { check(what, holds ? 0 : 1, 0); }
  int count() const { return count_; }
  int failed() const { return failed_; }

 private:
  int count_ = 0, failed_ = 0;
};
