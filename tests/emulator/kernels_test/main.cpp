// Runs the kernels' tests on the GPU that libcuda shows. The argument is the file of the kernels' image, which the
// emulated GPU does not need; for a real one: link with its libcuda, and give `decode.fatbin` of `spark-engine
// kernels`.
// `--fault NAME` runs one of the emulated GPU's wrong kernels three times and prints how that ended.
#include <chrono>

#include "records.hpp"
#include "tests.hpp"

static int show_fault(const char* name) {
  Gpu gpu(nullptr);
  struct Args {
    uint32_t* memory;
  } args{gpu.upload(std::vector<uint32_t>(64))};
  gpu.chain(
      [&] {
        for (int i = 0; i < 3; i++) gpu.launch(name, Shape{2, 1, 64, 64}, args);
      },
      true);
  const int status = gpu.status();
  printf("%d %u\n", status, status == 0 ? gpu.read(args.memory, 1)[0] : 0);
  return 0;
}

// What no GPU can launch is refused at once.
static void test_refusals(Gpu& gpu, Report& report) {
  test = "launches";
  const HeadArgs args{};
  const int invalid = 1, not_found = 500;
  report.check("no blocks", gpu.attempt("head", Shape{0, 1, 512, 0}, args) == invalid);
  report.check("no threads", gpu.attempt("head", Shape{1, 1, 0, 0}, args) == invalid);
  report.check("too many threads", gpu.attempt("head", Shape{1, 1, 1025, 0}, args) == invalid);
  report.check("more shared memory than was allowed", gpu.attempt("head", Shape{1, 1, 32, 50000}, args) == invalid);
  report.check("a kernel that is not there", gpu.attempt("heads", Shape{1, 1, 32, 0}, args) == not_found);
}

int main(int count, char** arguments) {
  if (count == 3 && strcmp(arguments[1], "--fault") == 0) return show_fault(arguments[2]);
  Gpu gpu(count > 1 ? arguments[1] : nullptr);
  Report report;
  auto last = std::chrono::steady_clock::now();
  auto done = [&](const char* what) {
    const auto now = std::chrono::steady_clock::now();
    printf("%s: %.1f s\n", what, std::chrono::duration<double>(now - last).count());
    last = now;
  };
  test_refusals(gpu, report);
  test_products(gpu, report);
  done("products");
  test_norms(gpu, report);
  done("norms");
  test_experts(gpu, report);
  done("experts");
  test_head(gpu, report);
  done("head");
  test_attention(gpu, report);
  done("attention");
  test_delta(gpu, report);
  done("delta rule");
  test_prefill_products(gpu, report);
  done("products of a batch");
  test_prefill_mixing(gpu, report);
  done("mixing of a batch");
  printf("%d comparisons, %d failed\n", report.count(), report.failed());
  return report.failed() > 0;
}
