// prefill: products of every type with batches of vectors, whole matrices and experts', and the lists that they follow.
#include "stages.hpp"

#include <integer_tile.cuh>

namespace {
#include "prefill/plain.cu"
#include "prefill/product.cu"
#include "prefill/route.cu"
#include "prefill/vectors.cu"
}  // namespace

namespace {

// Vectors as a batch has them, and where they lie for a product with a matrix of `type`.
struct Inputs {
  std::vector<float> x;
  uint32_t columns;
  uint8_t* quants;
  float2* factors;
  float* values;

  Inputs(Gpu& gpu, Random& random, uint32_t type, uint32_t rows, uint32_t columns) : x(random.vector(rows * columns)), columns(columns) {
    for (size_t i = 0; i < x.size(); i += 97) x[i] *= 30;
    // A row of nothing but zeros.
    if (rows > 3) std::fill_n(&x[2 * columns], columns, 0.0f);
    quants = gpu.make<uint8_t>(rows * columns * 2);
    factors = gpu.make<float2>(rows * factor_stride(columns));
    values = gpu.make<float>(rows * columns);
    VectorsArgs args{};
    args.norms.x = gpu.upload(x);
    args.norms.kind = PLAIN;
    args.norms.columns = columns;
    args.quants = quants;
    args.factors = factors;
    args.values = takes_floats(type) ? values : nullptr;
    args.x_stride = columns;
    const uint32_t threads = std::min(512u, round_up((columns + 7) / 8, 32));
    gpu.launch("prefill_vectors", Shape{1, rows, threads, vector_bytes(columns, takes_floats(type))}, args);
  }
  Doubles row(uint32_t i) const { return Doubles(x.begin() + i * columns, x.begin() + (i + 1) * columns); }
};

const char* kernel_of(uint32_t type) {
  switch (type) {
    case Q4_K: return "prefill_product_q4_k";
    case Q5_K: return "prefill_product_q5_k";
    case Q6_K: return "prefill_product_q6_k";
    case Q8_0: return "prefill_product_q8_0";
    case Q5_0: return "prefill_product_q5_0";
    case Q5_1: return "prefill_product_q5_1";
    default: return "prefill_plain";
  }
}

void launch(Gpu& gpu, const ProductArgs& args, uint32_t tiles) {
  const uint32_t type = args.matrix.type, rows_of_tile = (takes_floats(type) ? 64 : 128) / (is_pair(args) ? 2 : 1);
  const uint32_t rows = (args.rows + rows_of_tile - 1) / rows_of_tile;
  const uint32_t pitch = type == Q8_0 ? 144 : type == Q5_K || type == Q6_K ? 112 : 80;
  const size_t bytes = takes_floats(type) ? 2 * 32 * 68 * 4 : 2 * (128 * pitch + 64 * 272 + 64 * 48) + 4 * 128 * 8 + 512;
  const Shape shape{args.list ? rows : tiles, args.list ? tiles : rows, takes_floats(type) ? 256u : 128u, bytes};
  gpu.launch(kernel_of(type), shape, args);
}

ProductArgs arguments(const Matrix& matrix, const Inputs& inputs, uint32_t rows, uint32_t tokens, float* out) {
  ProductArgs args{};
  args.matrix = matrix;
  args.quants = inputs.quants;
  args.factors = inputs.factors;
  args.values = inputs.values;
  args.out = out;
  args.rows = rows;
  args.tokens = tokens;
  args.out_stride = rows + 3;
  args.divide = 1;
  return args;
}

double gate_of(uint32_t mode, double gate, double up) { return (mode == PRODUCT_SILU ? silu(gate) : gelu(gate)) * up; }

void test_whole(Gpu& gpu, Report& report, uint32_t type, uint32_t rows, uint32_t columns, uint32_t tokens, uint32_t mode) {
  test = std::string(kernel_of(type)) + " " + facts(type).name + " " + std::to_string(rows) + " x " + std::to_string(columns) + ", " +
         std::to_string(tokens) + " vectors, mode " + std::to_string(mode);
  Random random(type * 7919 + rows * 31 + columns + tokens);
  const Tensor tensor(random, type, rows, columns), up(random, type, rows, columns);
  const Inputs inputs(gpu, random, type, tokens, columns);
  const std::vector<float> before((rows + 3) * tokens, 0.5f);
  ProductArgs args = arguments(matrix_of(gpu, report, tensor), inputs, rows, tokens, gpu.upload(before));
  args.mode = mode;
  if (mode >= PRODUCT_SILU) args.up = matrix_of(gpu, report, up);
  launch(gpu, args, (tokens + 63) / 64);
  const std::vector<float> got = gpu.read(args.out, before.size());
  for (uint32_t t = 0; t < tokens; t++) {
    const Doubles x = inputs.row(t);
    Doubles want = tensor.product(x);
    // Outliers among few columns: rounding is relative to the largest of 32.
    double usual = tensor.usual_square(x), limit = 1.5 * PRODUCT_LIMIT;
    if (mode == PRODUCT_ADD) {
      for (double& value : want) value += 0.5;
    }
    if (mode >= PRODUCT_SILU) {
      const Doubles other = up.product(x);
      for (uint32_t r = 0; r < rows; r++) want[r] = gate_of(mode, want[r], other[r]);
      usual *= usual, limit *= 2;
    }
    const std::vector<float> row(got.begin() + t * (rows + 3), got.begin() + t * (rows + 3) + rows);
    report.check("vector " + std::to_string(t), distance(want, row, usual), limit);
    report.check("nothing behind the rows", got[t * (rows + 3) + rows] == 0.5f);
  }
  gpu.clear();
}

// Experts up and down again, of tokens some of which choose the same.
void test_experts(Gpu& gpu, Report& report, uint32_t type, uint32_t tokens, uint32_t mode, bool fused) {
  constexpr uint32_t EXPERTS = 7, USED = 3, CAPACITY = 80;
  const uint32_t columns = 256, width = 72;
  test = std::string("prefill experts ") + facts(type).name + ", " + std::to_string(tokens) + " tokens, mode " + std::to_string(mode);
  Random random(type + tokens * 3 + mode);
  const bool pair = mode >= PRODUCT_SILU;
  const uint32_t of_expert = pair && fused ? 2 * width : width;
  const Tensor tensor(random, type, EXPERTS * of_expert, columns), up(random, type, EXPERTS * width, columns);
  // Of a pair one vector a token, otherwise one an entry.
  const uint32_t vectors = pair ? tokens : tokens * USED;
  const Inputs inputs(gpu, random, type, vectors, columns);
  std::vector<uint32_t> chosen(tokens * USED);
  for (uint32_t t = 0; t < tokens; t++) {
    // Nobody takes the last expert but one.
    const uint32_t first = static_cast<uint32_t>(random.next() % 3);
    for (uint32_t slot = 0; slot < USED; slot++) chosen[t * USED + slot] = slot == 0 ? first : slot == 1 ? 3 + t % 2 : 6;
  }
  ListArgs list{};
  list.chosen = gpu.upload(chosen);
  list.list = gpu.make<uint32_t>(EXPERTS * CAPACITY);
  list.counts = gpu.make<uint32_t>(EXPERTS);
  list.entries = tokens * USED;
  list.capacity = CAPACITY;
  gpu.launch("prefill_list", Shape{EXPERTS, 1, 256, 0}, list);
  const std::vector<uint32_t> counts = gpu.read(list.counts, EXPERTS), entries = gpu.read(list.list, EXPERTS * CAPACITY);
  for (uint32_t e = 0; e < EXPERTS; e++) {
    std::vector<uint32_t> want;
    for (uint32_t i = 0; i < chosen.size(); i++) {
      if (chosen[i] == e) want.push_back(i);
    }
    const std::vector<uint32_t> got(entries.begin() + e * CAPACITY, entries.begin() + e * CAPACITY + std::min(counts[e], CAPACITY));
    report.check("list of an expert", got == want);
  }
  float* const out = gpu.make<float>(tokens * USED * (width + 3));
  ProductArgs args = arguments(matrix_of(gpu, report, tensor), inputs, width, tokens, out);
  args.mode = mode;
  args.fused = pair && fused;
  if (pair && !fused) args.up = matrix_of(gpu, report, up);
  args.list = list.list;
  args.counts = list.counts;
  args.experts = EXPERTS;
  args.capacity = CAPACITY;
  args.divide = pair ? USED : 1;
  launch(gpu, args, tokens * USED / 64 + EXPERTS);
  const std::vector<float> got = gpu.read(out, tokens * USED * (width + 3));
  for (uint32_t entry = 0; entry < tokens * USED; entry++) {
    const Doubles x = inputs.row(pair ? entry / USED : entry);
    Doubles want(width);
    for (uint32_t r = 0; r < width; r++) {
      const uint64_t row = chosen[entry] * of_expert + r;
      want[r] = tensor.product(row, x.data());
      if (pair) want[r] = gate_of(mode, want[r], fused ? tensor.product(row + width, x.data()) : up.product(row, x.data()));
    }
    const double usual = tensor.usual_square(x) / EXPERTS;
    const std::vector<float> row(got.begin() + entry * (width + 3), got.begin() + entry * (width + 3) + width);
    report.check("entry " + std::to_string(entry), distance(want, row, pair ? usual * usual : usual), 3 * PRODUCT_LIMIT);
  }

  // Their sums with a shared output.
  JoinArgs join{};
  const std::vector<float> weight = random.vector(tokens * USED, 0, 1), shared = random.vector(tokens * width), open = random.vector(tokens);
  const std::vector<float> routed = random.vector(tokens * USED * width), before = random.vector(tokens * (width + 1));
  join.routed = gpu.upload(routed);
  join.weight = gpu.upload(weight);
  join.shared = fused ? nullptr : gpu.upload(shared);
  join.shared_gate = gpu.upload(open);
  join.out = gpu.upload(before);
  join.used = USED;
  join.rows = width;
  join.out_stride = width + 1;
  join.add = !fused;
  gpu.launch("prefill_join", Shape{(width + 255) / 256, tokens, 256, 0}, join);
  const std::vector<float> joined = gpu.read(join.out, before.size());
  Doubles sums(before.begin(), before.end());
  for (uint32_t t = 0; t < tokens; t++) {
    for (uint32_t r = 0; r < width; r++) {
      double sum = fused ? 0 : before[t * (width + 1) + r] + shared[t * width + r] / (1 + std::exp(-static_cast<double>(open[t])));
      for (uint32_t s = 0; s < USED; s++) sum += static_cast<double>(weight[t * USED + s]) * routed[(t * USED + s) * width + r];
      sums[t * (width + 1) + r] = sum;
    }
  }
  report.check("sums of experts", distance(sums, joined), 1e-6);
  gpu.clear();
}

}  // namespace

void test_prefill_products(Gpu& gpu, Report& report) {
  for (const TypeFacts& type : TYPES) {
    const uint32_t narrow = type.weights == 256 ? 256 : 96;
    uint32_t mode = 0;
    for (const uint32_t tokens : {1u, 7u, 33u}) {
      test_whole(gpu, report, type.type, 37, narrow, tokens, mode++ % 4);
      test_whole(gpu, report, type.type, 150, type.weights == 256 ? 768 : 352, tokens, mode++ % 4);
    }
    test_whole(gpu, report, type.type, 5, narrow, 70, mode % 4);
    test_experts(gpu, report, type.type, 11, PRODUCT_GELU, true);
    test_experts(gpu, report, type.type, 13, PRODUCT_SILU, false);
    test_experts(gpu, report, type.type, 70, PRODUCT_STORE, true);
  }
}
