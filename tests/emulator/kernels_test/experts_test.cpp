// experts_up and experts_down: the router's choice, its trace, and the experts' sum, in the forms of both models.
#include <algorithm>

#include "stages.hpp"

namespace {

struct Case {
  uint32_t up, down, shared;  // types
  uint32_t hidden, experts, used, width, shared_width;
  bool fused;  // gates and ups in one tensor
  bool gemma;  // GELU, scales of experts, the shared part apart
  uint32_t slots;
  const char* kernels;  // what the names of kernels of few types end with
};

constexpr Case CASES[] = {
    {Q4_K, Q4_K, Q4_K, 512, 16, 8, 256, 256, false, false, 3, "_k"},
    {Q4_K, Q6_K, Q6_K, 256, 40, 8, 512, 512, false, false, 4, "_k"},
    {Q4_K, Q6_K, Q8_0, 256, 256, 8, 256, 256, false, false, 2, nullptr},
    {Q4_K, Q5_0, Q8_0, 512, 128, 8, 96, 224, true, true, 3, "_q"},
    {Q5_K, Q8_0, Q8_0, 256, 9, 4, 704, 2112, true, true, 4, "_q"},
    {Q5_K, Q8_0, Q5_1, 256, 40, 3, 32, 32, true, true, 1, nullptr},
    {F32, F32, F32, 64, 5, 3, 24, 40, false, false, 2, nullptr},
    {BF16, F16, Q5_0, 64, 500, 10, 24, 96, true, true, 3, nullptr},
    {Q6_K, Q5_1, F32, 256, 33, 32, 32, 64, false, true, 4, nullptr},
    {Q8_0, BF16, Q4_K, 96, 7, 1, 40, 256, true, false, 2, nullptr},
};

// What the router chooses: experts and weights.
struct Choice {
  std::vector<uint32_t> ids;
  Doubles weights;

  Choice(const std::vector<float>& logits, uint32_t used, const std::vector<float>* scale) : ids(logits.size()) {
    for (uint32_t i = 0; i < ids.size(); i++) ids[i] = i;
    std::stable_sort(ids.begin(), ids.end(), [&](uint32_t a, uint32_t b) { return logits[a] > logits[b]; });
    ids.resize(used);
    double total = 0;
    for (const uint32_t id : ids) total += std::exp(logits[id] - logits[ids[0]]);
    for (const uint32_t id : ids)
      weights.push_back(std::exp(logits[id] - logits[ids[0]]) / total * (scale ? (*scale)[id] : 1));
  }
};

void test_case(Gpu& gpu, Report& report, const Case& c) {
  test = std::string("experts ") + facts(c.up).name + ", " + facts(c.down).name + ", " + facts(c.shared).name + ", " +
         std::to_string(c.used) + " of " + std::to_string(c.experts);
  Random random(c.experts * 31 + c.up);
  const Tensor gates(random, c.up, uint64_t{c.experts} * c.width * (c.fused ? 2 : 1), c.hidden);
  const Tensor ups(random, c.up, c.fused ? 1 : uint64_t{c.experts} * c.width, c.hidden);
  const Tensor down(random, c.down, uint64_t{c.experts} * c.hidden, c.width),
      shared(random, c.shared, c.hidden, c.shared_width);
  const std::vector<float> x = random.vector(c.hidden), weight = random.vector(c.hidden, 0.5, 1.5),
                           scale = random.vector(c.experts, 0.5, 1.5);
  std::vector<float> logits = random.vector(c.experts, -3, 3);
  // Equal logits: the lower number is chosen first.
  logits[c.experts / 2] = logits[c.experts / 3] = logits[c.experts - 1] = 4;

  constexpr uint32_t STEP = 11, STEPS = 8;
  ExpertsUpArgs up{};
  up.norms = simple_norms(gpu, x, weight);
  up.gate = matrix_of(gpu, report, gates);
  if (!c.fused) up.up = matrix_of(gpu, report, ups);
  up.router = gpu.upload(logits);
  if (c.gemma) up.expert_scale = gpu.upload(scale);
  up.token = gpu.upload(std::vector<Token>{Token{5, 0, 0, STEP, 0}});
  up.chosen = gpu.make<uint32_t>(c.used);
  up.weight = gpu.make<float>(c.used);
  up.trace = gpu.make<uint32_t>(STEPS * 2 * c.used);
  up.out = gpu.make<float>(c.used * c.width);
  up.experts = c.experts;
  up.used = c.used;
  up.width = c.width;
  up.activation = c.gemma;
  up.trace_stride = 2 * c.used;
  up.trace_steps = STEPS;
  up.units = row_chunks(up.gate);
  up.ring = end_of_vectors(up.norms);
  up.slots = c.slots;

  const std::vector<float> shared_hidden = random.vector(c.shared_width);
  constexpr float GATE = 0.3f, BEFORE = 0.25f;
  ExpertsDownArgs args{};
  args.down = matrix_of(gpu, report, down);
  args.shared = matrix_of(gpu, report, shared);
  args.chosen = up.chosen;
  args.weight = up.weight;
  args.hidden = up.out;
  args.shared_hidden = gpu.upload(shared_hidden);
  args.out = c.gemma ? gpu.make<float>(c.hidden) : gpu.upload(std::vector<float>(c.hidden, BEFORE));
  if (c.gemma) {
    args.shared_out = gpu.make<float>(c.hidden);
  } else {
    args.shared_gate = gpu.upload(std::vector<float>{GATE});
  }
  args.experts = c.experts;
  args.used = c.used;
  args.width = c.width;
  args.rows = c.hidden;
  args.shared_width = c.shared_width;
  args.add = !c.gemma;
  args.units = row_chunks(args.down);
  args.shared_units = row_chunks(args.shared);
  const bool floats = takes_floats(c.down);
  if (floats == takes_floats(c.shared)) {
    args.ring = vector_bytes(round_up(c.used * c.width, 256) + c.shared_width, floats);
  } else {
    args.ring = vector_bytes(c.used * c.width, floats) + vector_bytes(c.shared_width, !floats);
  }
  args.slots = c.slots;
  const uint32_t parts_of_shared = (args.shared_units + 15) / 16, parts_of_experts = c.used * ((args.units + 15) / 16);
  const bool apart = c.gemma || c.down != c.shared;
  args.steps = c.slots;
  args.first_steps = apart ? (parts_of_shared + 1) / 2 : args.steps;
  const uint32_t dealt = apart ? (parts_of_experts + 1) / 2 : (parts_of_shared + parts_of_experts + 1) / 2;
  args.items = apart + (dealt + args.steps - 1) / args.steps;
  args.passes = c.down == c.shared ? 1 : 2;
  for (uint32_t pass = 0; pass < args.passes; pass++) {
    const uint32_t each = args.passes == 1 ? args.items : pass == 0 ? 1 : args.items - 1;
    args.pass[pass] = ItemPass{pass, each, 16 / each << 16 | 16 % each};
  }
  const size_t up_bytes = ring_bytes(up.ring, up.slots, 32, {c.up});
  const size_t down_bytes = ring_bytes(args.ring, args.slots, 16, {c.down, c.shared});
  gpu.chain([&] {
    gpu.launch(c.kernels ? "experts_up_k" : "experts_up",
               Shape{gpu.sm_count, 1, ROW_THREADS, up_bytes}, up);
    gpu.launch(std::string("experts_down") + (c.kernels ? c.kernels : ""),
               Shape{gpu.sm_count, 1, ROW_THREADS, down_bytes}, args);
  });

  const Choice choice(logits, c.used, c.gemma ? &scale : nullptr);
  const std::vector<uint32_t> trace = gpu.read(up.trace, STEPS * 2 * c.used);
  const auto slot = trace.begin() + STEP % STEPS * 2 * c.used;
  report.check("choice", gpu.read(up.chosen, c.used) == choice.ids);
  report.check("trace", std::vector<uint32_t>(slot, slot + c.used) == choice.ids);
  report.check("weights", distance(choice.weights, gpu.read(up.weight, c.used)), 1e-6);

  const Doubles vector = normed(doubles(x), weight);
  Doubles hidden(c.used * c.width), out(c.hidden), beside(c.hidden);
  for (uint32_t e = 0; e < c.used; e++) {
    for (uint32_t i = 0; i < c.width; i++) {
      const uint64_t first = uint64_t{choice.ids[e]} * c.width * (c.fused ? 2 : 1) + i;
      const double gate = gates.product(first, vector.data());
      const double value = c.fused ? gates.product(first + c.width, vector.data()) : ups.product(first, vector.data());
      hidden[e * c.width + i] = (c.gemma ? gelu(gate) : silu(gate)) * value;
    }
  }
  report.check("up", distance(hidden, gpu.read(up.out, hidden.size())), 2 * PRODUCT_LIMIT);
  const Doubles of_shared = doubles(shared_hidden);
  for (uint32_t i = 0; i < c.hidden; i++) {
    for (uint32_t e = 0; e < c.used; e++)
      out[i] += choice.weights[e] * down.product(uint64_t{choice.ids[e]} * c.hidden + i, &hidden[e * c.width]);
    beside[i] = shared.product(i, of_shared.data());
    if (!c.gemma) out[i] += BEFORE + beside[i] / (1 + std::exp(-static_cast<double>(GATE)));
  }
  report.check("down", distance(out, gpu.read(args.out, c.hidden)), 2 * PRODUCT_LIMIT);
  if (c.gemma) report.check("beside", distance(beside, gpu.read(args.shared_out, c.hidden)), PRODUCT_LIMIT);
  gpu.clear();
}

}  // namespace

void test_experts(Gpu& gpu, Report& report) {
  for (const Case& c : CASES) test_case(gpu, report, c);
}

void test_head(Gpu& gpu, Report& report) {
  for (const uint32_t type : {Q6_K, F32, Q8_0}) {
    constexpr uint32_t COLUMNS = 256, ROWS_OF_HEAD = 1001;
    const float cap = type == F32 ? 0 : 30;
    test = std::string("head ") + facts(type).name;
    Random random(type);
    const Tensor tensor(random, type, ROWS_OF_HEAD, COLUMNS);
    const std::vector<float> x = random.vector(COLUMNS), weight = random.vector(COLUMNS, 0.5, 1.5);
    HeadArgs args{};
    args.norms = simple_norms(gpu, x, weight);
    args.matrix = matrix_of(gpu, report, tensor);
    args.logits = gpu.make<float>(ROWS_OF_HEAD);
    args.token = gpu.upload(std::vector<Token>{Token{6, 0, 0, 0, 0}});
    args.rows = ROWS_OF_HEAD;
    args.cap = cap;
    args.units = row_chunks(args.matrix);
    args.ring = end_of_vectors(args.norms);
    args.slots = 3;
    NextTokenArgs next{};
    next.embedding = args.matrix;
    next.token = args.token;
    next.ring = gpu.upload(std::vector<unsigned long long>(8));
    next.x = gpu.make<float>(COLUMNS);
    next.scale = 1;
    next.vocabulary = ROWS_OF_HEAD;
    next.ring_size = 8;
    const size_t bytes = ring_bytes(args.ring, args.slots, 32, {type});
    gpu.chain([&] {
      gpu.launch(type == Q6_K ? "head_k" : "head", Shape{gpu.sm_count, 1, ROW_THREADS, bytes}, args);
      gpu.launch("next_token", Shape{1, 1, 512, 0}, next);
    });
    const Doubles vector = normed(doubles(x), weight);
    Doubles want = tensor.product(vector);
    for (double& logit : want) logit = cap > 0 ? cap * std::tanh(logit / cap) : logit;
    const std::vector<float> logits = gpu.read(args.logits, ROWS_OF_HEAD);
    report.check("logits", distance(want, logits), PRODUCT_LIMIT);
    const uint32_t best = static_cast<uint32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
    report.check("choice", gpu.read(next.ring, 8)[6] == (7ull << 32 | best));
    const Token token = gpu.read(args.token, 1)[0];
    report.check("token", token.position == 7 && token.step == 1 && token.best == 0);
    report.check("embedding",
                 distance(Doubles(tensor.row(best), tensor.row(best) + COLUMNS), gpu.read(next.x, COLUMNS)), 1e-6);
    gpu.clear();
  }
}
