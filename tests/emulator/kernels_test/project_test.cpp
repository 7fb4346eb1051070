// project: every type over odd shapes, rings of every size, every way of making vectors, every mode.
#include "stages.hpp"

namespace {

// With rings of `slots` slots, and rows in so many pieces.
void test_product(Gpu& gpu, Report& report, uint32_t type, uint32_t rows, uint32_t columns, uint32_t slots, uint32_t pieces,
                  const char* kernel = "project") {
  test = std::string(kernel) + " " + facts(type).name + " " + std::to_string(rows) + " x " + std::to_string(columns) + ", " +
         std::to_string(slots) + " slots, " + std::to_string(pieces) + " pieces";
  Random random(type * 7919 + rows * 31 + columns);
  const Tensor tensor(random, type, rows, columns);
  std::vector<float> x = random.vector(columns);
  for (size_t i = 0; i < x.size(); i += 97) x[i] *= 30;
  const std::vector<float> weight = random.vector(columns, 0.5, 1.5);

  ProjectArgs args{};
  args.norms = simple_norms(gpu, x, weight);
  args.segments = 1;
  args.segment[0].matrix = matrix_of(gpu, report, tensor);
  args.segment[0].rows = rows;
  args.segment[0].out = gpu.make<float>(rows);
  const size_t bytes = deal(args, gpu.sm_count, slots, pieces);
  // Behind its like, beside which it may begin.
  gpu.chain([&] {
    gpu.launch(kernel, Shape{gpu.sm_count, 1, ROW_THREADS, bytes}, args);
    gpu.launch(kernel, Shape{gpu.sm_count, 1, ROW_THREADS, bytes}, args);
  });
  const Doubles vector = normed(doubles(x), weight);
  report.check("product",
               distance(tensor.product(vector), gpu.read(args.segment[0].out, rows), tensor.usual_square(vector)),
               PRODUCT_LIMIT);

  // The last row as an embedding.
  NextTokenArgs next{};
  next.embedding = args.segment[0].matrix;
  next.token = gpu.upload(std::vector<Token>{Token{~0u, 0, 1, ~0u, 0}});
  next.forced = gpu.upload(std::vector<uint32_t>{rows - 1});
  next.x = gpu.make<float>(columns);
  next.ring = gpu.make<unsigned long long>(8);
  next.scale = 2;
  next.vocabulary = rows;
  next.ring_size = 8;
  gpu.launch("next_token", Shape{1, 1, 512, 0}, next);
  Doubles row(tensor.row(rows - 1), tensor.row(rows - 1) + columns);
  for (double& value : row) value *= 2;
  report.check("embedding", distance(row, gpu.read(next.x, columns)), 1e-6);
  const Token token = gpu.read(next.token, 1)[0];
  report.check("token", token.position == 0 && token.taken == 1 && token.step == 0 && token.best == 0);
  gpu.clear();
}

// The inputs of a stage that makes vectors in the ways of NormKind, and what it makes of them.
struct Stage {
  uint32_t head;
  std::vector<float> x, a, b, wa, wb, wc, w0, w1;
  Doubles residual, first, second;
  static constexpr float SCALE = 0.7f;

  Stage(Random& random, uint32_t kind, uint32_t columns)
      : head(columns % 128 == 0 ? 128 : columns % 48 == 0 ? 48 : 64), x(random.vector(columns)), a(random.vector(columns)), b(random.vector(columns)) {
    for (auto* weight : {&wa, &wb, &wc, &w0, &w1}) *weight = random.vector(columns, 0.5, 1.5);
    residual = doubles(x);
    if (kind == HEADS_GATED) {
      first.resize(columns);
      for (uint32_t i = 0; i < columns; i++) {
        first[i] = x[i] * inverse_rms(&residual[i / head * head], head) * wa[i % head] * silu(a[i]);
      }
      return;
    }
    if (kind == PLAIN) {
      first = residual;
      return;
    }
    const Doubles of_a = normed(doubles(a), wa), of_b = normed(doubles(b), wb);
    if (kind == ADD_NORM) {
      for (uint32_t i = 0; i < columns; i++) residual[i] += of_a[i];
    }
    if (kind == GEMMA_NEXT) {
      Doubles both(columns);
      for (uint32_t i = 0; i < columns; i++) both[i] = of_a[i] + of_b[i];
      const Doubles branch = normed(both, wc);
      for (uint32_t i = 0; i < columns; i++) residual[i] = (residual[i] + branch[i]) * SCALE;
    }
    first = normed(residual, w0);
    second = normed(residual, w1);
  }
};

Segment segment(Gpu& gpu, const Matrix& matrix, uint32_t rows, uint32_t mode, uint32_t vector) {
  Segment made{};
  made.matrix = matrix;
  made.out = mode == ADD ? gpu.upload(std::vector<float>(rows, 0.5f)) : gpu.make<float>(rows);
  made.rows = rows;
  made.mode = mode;
  made.vector = vector;
  return made;
}

void test_kind(Gpu& gpu, Report& report, uint32_t kind, uint32_t columns) {
  test = "project with vectors of kind " + std::to_string(kind) + ", " + std::to_string(columns) + " columns";
  constexpr uint32_t ROWS_OF_PAIR = 130, FEW = 11;
  Random random(kind + columns);
  const Stage stage(random, kind, columns);
  const bool two = !stage.second.empty();
  const Tensor gate(random, columns % 256 == 0 ? Q4_K : Q5_1, ROWS_OF_PAIR, columns),
      up(random, gate.type, ROWS_OF_PAIR, columns), few(random, F32, FEW, columns);

  ProjectArgs args{};
  Norms& n = args.norms;
  n = simple_norms(gpu, stage.x, stage.w0);
  if (kind == ADD_NORM || kind == GEMMA_NEXT || kind == HEADS_GATED) {
    n.a = gpu.upload(stage.a);
    n.wa = gpu.upload(stage.wa);
  }
  if (kind == GEMMA_NEXT) {
    n.b = gpu.upload(stage.b);
    n.wb = gpu.upload(stage.wb);
    n.wc = gpu.upload(stage.wc);
  }
  if (kind == PLAIN || kind == HEADS_GATED) n.w[0] = nullptr;
  if (two) n.w[1] = gpu.upload(stage.w1);
  if (kind == ADD_NORM || kind == GEMMA_NEXT) n.residual = gpu.make<float>(columns);
  n.kind = kind;
  n.head = stage.head;
  n.scale = Stage::SCALE;
  const Matrix of_up = matrix_of(gpu, report, up);
  const uint32_t paired = kind % 2 ? SILU_TIMES : GELU_TIMES;
  args.segments = 3;
  args.segment[0] = segment(gpu, matrix_of(gpu, report, gate), ROWS_OF_PAIR, paired, 0);
  args.segment[0].up = of_up;
  args.segment[1] = segment(gpu, matrix_of(gpu, report, few), FEW, STORE, two);
  args.segment[2] = segment(gpu, of_up, ROWS_OF_PAIR - 1, ADD, two);
  const size_t bytes = deal(args, gpu.sm_count, 1 + columns % 3, 2);
  gpu.launch(gate.type == Q4_K ? "project_k" : "project", Shape{gpu.sm_count, 1, ROW_THREADS, bytes}, args);

  const Doubles& second = two ? stage.second : stage.first;
  Doubles pair = gate.product(stage.first), added = up.product(second);
  const Doubles ups = up.product(stage.first);
  for (uint32_t i = 0; i < ROWS_OF_PAIR; i++) pair[i] = (paired == SILU_TIMES ? silu(pair[i]) : gelu(pair[i])) * ups[i];
  added.resize(ROWS_OF_PAIR - 1);
  for (double& value : added) value += 0.5;
  report.check("pair", distance(pair, gpu.read(args.segment[0].out, ROWS_OF_PAIR)), 2 * PRODUCT_LIMIT);
  report.check("floats", distance(few.product(second), gpu.read(args.segment[1].out, FEW), few.usual_square(second)),
               1e-5);
  report.check("sum", distance(added, gpu.read(args.segment[2].out, added.size())), PRODUCT_LIMIT);
  if (n.residual) report.check("residual", distance(stage.residual, gpu.read(n.residual, columns)), 1e-6);
  gpu.clear();
}

}  // namespace

void test_products(Gpu& gpu, Report& report) {
  for (const TypeFacts& type : TYPES) {
    for (const uint32_t columns : {256u, 768u, 2816u}) {
      uint32_t slots = 1;
      for (const uint32_t rows : {1u, 37u, 150u}) test_product(gpu, report, type.type, rows, columns, slots++, rows % 4);
    }
    if (type.weights == 256) {
      test_product(gpu, report, type.type, 38, 1024, 3, 2, "project_k");
      continue;
    }
    for (const uint32_t columns : {32u, 96u, 704u, 2112u}) test_product(gpu, report, type.type, 97, columns, 3, 1);
  }
  test_product(gpu, report, F32, 38, 2048, 2, 8, "project_k");
}

void test_norms(Gpu& gpu, Report& report) {
  for (const uint32_t kind : {PLAIN, NORM, ADD_NORM, GEMMA_NEXT, HEADS_GATED}) {
    for (const uint32_t columns : {64u, 192u, 2816u}) test_kind(gpu, report, kind, columns);
  }
}
