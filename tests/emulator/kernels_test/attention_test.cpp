// attention_* with and without attention_combine, over windows, rings, groups, gates and splits: several tokens one behind
// another, each compared with attention to the rows as they are stored.
#include <algorithm>

#include "stages.hpp"

namespace {

struct Case {
  uint32_t dim, heads_at_once, groups, kv_heads, rotary, window, capacity, splits, position, tokens;
  bool value_norm, key_is_value, gated;
  float query_size;

  uint32_t heads() const { return heads_at_once * groups * kv_heads; }
  // Attention itself joins the splits.
  bool joins() const { return (position + dim / 64 + heads_at_once) % 2 == 0; }
  uint32_t stride() const { return gated ? 2 * dim : dim; }
  uint32_t seen(uint32_t position) const { return window ? std::min(position + 1, window) : position + 1; }
  std::string name() const {
    return "attention_" + std::to_string(dim) + "x" + std::to_string(heads_at_once) + ", position " +
           std::to_string(position) + ", window " + std::to_string(window);
  }
};

// As the kernels' constants: threads and shared memory of a block.
template <uint32_t D>
Shape shape_of(const Case& c) {
  using S = attention::Shape<D>;
  return Shape{c.splits * c.kv_heads * c.groups, 1, S::THREADS, S::SHARED_BYTES};
}
Shape shape_of(const Case& c) {
  switch (c.dim) {
    case 64:
      return shape_of<64>(c);
    case 128:
      return shape_of<128>(c);
    case 256:
      return shape_of<256>(c);
    default:
      return shape_of<512>(c);
  }
}

// A head with its norm and rotation.
Doubles prepared(const float* x, const std::vector<float>* weight, bool norm, uint32_t dim, const Doubles& frequency,
                 uint32_t position) {
  Doubles y(x, x + dim);
  const double factor = norm ? inverse_rms(y.data(), dim) : 1;
  for (uint32_t i = 0; i < dim; i++) y[i] *= factor * (weight ? (*weight)[i] : 1);
  const size_t half = frequency.size();
  for (size_t i = 0; i < half; i++) {
    const double a = y[i], b = y[i + half], sine = std::sin(position * frequency[i]),
                 cosine = std::cos(position * frequency[i]);
    y[i] = a * cosine - b * sine;
    y[i + half] = a * sine + b * cosine;
  }
  return y;
}

class Sitting {
 public:
  Sitting(Gpu& gpu, Report& report, const Case& c)
      : gpu_(gpu),
        report_(report),
        c_(c),
        random_(c.dim * 131 + c.heads_at_once * 17 + c.position * 7 + c.splits + c.window) {
    query_norm_ = random_.vector(c.dim, 0.5, 1.5);
    key_norm_ = random_.vector(c.dim, 0.5, 1.5);
    for (uint32_t i = 0; i < c.rotary / 2; i++)
      frequency_.push_back(std::pow(1e6, -2.0 * i / c.rotary) / (i % 7 == 6 ? 1e30 : 1));
    // Rows that nobody may read are not numbers.
    keys_.assign(size_t{c.kv_heads} * c.capacity * c.dim, 0x7fff);
    values_.assign(keys_.size(), 0xffff);
    const uint32_t past = c.seen(c.position) - 1;
    for (uint32_t g = 0; g < c.kv_heads; g++) {
      for (uint32_t p = c.position - past; p < c.position; p++) {
        for (uint32_t i = 0; i < c.dim; i++) {
          keys_[at(g, p) + i] = __float2half_rn(random_.normal()).bits;
          values_[at(g, p) + i] = __float2half_rn(random_.normal()).bits;
        }
      }
    }
    const uint32_t projected = c.heads() * c.stride() + 2 * c.kv_heads * c.dim;
    projected_ = gpu.make<float>(projected);
    args_.token = gpu.upload(std::vector<Token>{Token{c.position - 1, 0, ~0u, 0, 0}});
    args_.query = projected_;
    args_.key = projected_ + c.heads() * c.stride();
    args_.value = c.key_is_value ? args_.key : args_.key + c.kv_heads * c.dim;
    args_.query_norm = gpu.upload(query_norm_);
    args_.key_norm = gpu.upload(key_norm_);
    args_.frequency = frequency_.empty() ? nullptr : gpu.upload(frequency_);
    args_.keys = reinterpret_cast<__half*>(gpu.upload(keys_));
    args_.values = reinterpret_cast<__half*>(gpu.upload(values_));
    args_.partial = gpu.make<float>(size_t{c.heads()} * c.splits * (c.dim + 2));
    args_.query_stride = c.stride();
    args_.heads = c.heads();
    args_.kv_heads = c.kv_heads;
    args_.rotary = c.rotary;
    args_.window = c.window;
    args_.capacity = c.capacity;
    args_.splits = c.splits;
    args_.value_norm = c.value_norm;
    args_.scale = static_cast<float>(1 / std::sqrt(c.dim));
    args_.epsilon = static_cast<float>(EPSILON);
    if (c.joins()) {
      args_.out = gpu.make<float>(c.heads() * c.dim);
      args_.arrivals = gpu.upload(std::vector<uint32_t>(c.kv_heads * c.groups));
      args_.gate = c.gated ? projected_ + c.dim : nullptr;
      args_.gate_stride = c.stride();
    }
    combine_.token = args_.token;
    combine_.partial = args_.partial;
    combine_.gate = c.gated ? projected_ + c.dim : nullptr;
    combine_.out = gpu.make<float>(c.heads() * c.dim);
    combine_.gate_stride = c.stride();
    combine_.heads = c.heads();
    combine_.head_dim = c.dim;
    combine_.splits = c.splits;
    combine_.window = c.window;
    next_.embedding.plane[0] = gpu.upload(std::vector<uint8_t>(64));
    next_.embedding.type = F32;
    next_.embedding.columns = 16;
    next_.token = const_cast<Token*>(args_.token);
    next_.forced = gpu.upload(std::vector<uint32_t>(c.tokens));
    next_.x = gpu.make<float>(16);
    next_.ring = gpu.make<unsigned long long>(1);
    next_.vocabulary = next_.ring_size = 1;
  }

  // The token behind the last one. Its position is written in front of the attention, which may begin before that.
  void step(uint32_t position) {
    std::vector<float> projected =
        random_.vector(c_.heads() * c_.stride() + 2 * c_.kv_heads * c_.dim, -2 * c_.query_size, 2 * c_.query_size);
    gpu_.write(projected_, projected);
    gpu_.chain([&] {
      gpu_.launch("next_token", Shape{1, 1, 512, 0}, next_);
      gpu_.launch("attention_" + std::to_string(c_.dim) + "x" + std::to_string(c_.heads_at_once), shape_of(c_), args_);
      if (!c_.joins()) gpu_.launch("attention_combine", Shape{c_.heads() * (c_.dim / 64), 1, 512, 0}, combine_);
    });
    check_rows(projected, position);
    check_outputs(projected, position);
  }

 private:
  size_t at(uint32_t kv_head, uint32_t position) const {
    return (size_t{kv_head} * c_.capacity + position % c_.capacity) * c_.dim;
  }
  static double value_of(uint16_t bits) { return half_at(reinterpret_cast<const uint8_t*>(&bits)); }

  // The new rows are stored, the others untouched.
  void check_rows(const std::vector<float>& projected, uint32_t position) {
    const auto keys = gpu_.read(reinterpret_cast<const uint16_t*>(args_.keys), keys_.size());
    const auto values = gpu_.read(reinterpret_cast<const uint16_t*>(args_.values), values_.size());
    double worst = 0;
    for (uint32_t g = 0; g < c_.kv_heads; g++) {
      const Doubles key =
          prepared(&projected[args_.key - projected_ + g * c_.dim], &key_norm_, true, c_.dim, frequency_, position);
      const Doubles value =
          prepared(&projected[args_.value - projected_ + g * c_.dim], nullptr, c_.value_norm, c_.dim, {}, position);
      for (uint32_t i = 0; i < c_.dim; i++) {
        const size_t cell = at(g, position) + i;
        worst = std::max(worst, std::fabs(value_of(keys[cell]) - key[i]) / (std::fabs(key[i]) + 1e-3));
        worst = std::max(worst, std::fabs(value_of(values[cell]) - value[i]) / (std::fabs(value[i]) + 1e-3));
        keys_[cell] = keys[cell];
        values_[cell] = values[cell];
      }
    }
    report_.check("stored row", worst, 5.2e-4);
    report_.check("other rows", keys == keys_ && values == values_);
  }

  void check_outputs(const std::vector<float>& projected, uint32_t position) {
    const uint32_t seen = c_.seen(position), dim = c_.dim;
    Doubles want;
    for (uint32_t head = 0; head < c_.heads(); head++) {
      const uint32_t g = head / (c_.heads_at_once * c_.groups);
      const Doubles query = prepared(&projected[head * c_.stride()], &query_norm_, true, dim, frequency_, position);
      Doubles weights(seen), out(dim);
      for (uint32_t i = 0; i < seen; i++) {
        for (uint32_t d = 0; d < dim; d++)
          weights[i] += query[d] * value_of(keys_[at(g, position + 1 - seen + i) + d]) / std::sqrt(dim);
      }
      const double most = *std::max_element(weights.begin(), weights.end());
      double sum = 0;
      for (double& weight : weights) sum += weight = std::exp(weight - most);
      for (uint32_t i = 0; i < seen; i++) {
        for (uint32_t d = 0; d < dim; d++)
          out[d] += weights[i] / sum * value_of(values_[at(g, position + 1 - seen + i) + d]);
      }
      for (uint32_t d = 0; d < dim; d++)
        want.push_back(out[d] / (c_.gated ? 1 + std::exp(-double{projected[head * c_.stride() + dim + d]}) : 1));
    }
    if (c_.joins()) {
      const auto arrivals = gpu_.read(args_.arrivals, c_.kv_heads * c_.groups);
      report_.check("counters", std::all_of(arrivals.begin(), arrivals.end(), [](uint32_t n) { return n == 0; }));
    }
    report_.check("output", distance(want, gpu_.read(c_.joins() ? args_.out : combine_.out, want.size())), 1e-5);
  }

  Gpu& gpu_;
  Report& report_;
  const Case& c_;
  Random random_;
  std::vector<float> query_norm_, key_norm_;
  Doubles frequency_;
  std::vector<uint16_t> keys_, values_;
  float* projected_;
  AttentionArgs args_{};
  CombineArgs combine_{};
  NextTokenArgs next_{};
};

void test_case(Gpu& gpu, Report& report, const Case& c) {
  test = c.name();
  Sitting sitting(gpu, report, c);
  for (uint32_t t = 0; t < c.tokens; t++) sitting.step(c.position + t);
  gpu.clear();
}

}  // namespace

void test_attention(Gpu& gpu, Report& report) {
  constexpr uint32_t SPLITS[] = {1, 2, 3, 5, 7, 16};
  uint32_t n = 0;
  for (const uint32_t dim : {64u, 128u, 256u, 512u}) {
    for (const uint32_t heads_at_once : {1u, 2u, 4u, 8u}) {
      for (const uint32_t position : {0u, 2u, 15u, 31u, 33u, 64u, 130u}) {
        n++;
        // Every kernel gets some of the positions.
        if (n % 3 != 0 && position != 33) continue;
        Case c{};
        c.dim = dim;
        c.heads_at_once = heads_at_once;
        c.groups = heads_at_once >= 4 && n % 2 == 0 ? 2 : 1;
        c.kv_heads = 1 + n % 2;
        const uint32_t rotaries[] = {dim, dim / 4, 6, dim / 2, 0};
        c.rotary = rotaries[n % 5];
        c.window = n % 4 == 1 ? 32 : n % 4 == 2 ? 97 : 0;
        c.tokens = 3;
        c.capacity = c.window ? c.window + n % 2 * 5 : position + c.tokens + n % 2 * 13;
        c.splits = SPLITS[n % 6];
        c.position = position;
        c.value_norm = n % 2;
        c.key_is_value = n % 6 == 5;
        c.gated = n % 3 == 1;
        c.query_size = n % 7 == 6 ? 30 : 1;
        test_case(gpu, report, c);
      }
    }
  }
  // The models' own shapes, further into a text.
  const Case qwen{256, 8, 1, 2, 64, 0, 800, 19, 700, 2, false, false, true, 1};
  const Case sliding{256, 2, 1, 8, 256, 1024, 1024, 5, 1023, 2, true, false, false, 1};
  const Case full{512, 8, 1, 2, 512, 0, 600, 9, 500, 2, true, true, false, 1};
  for (const Case& c : {qwen, sliding, full}) test_case(gpu, report, c);
}
