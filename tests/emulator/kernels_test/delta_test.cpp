// delta_step_*: several tokens one behind another, from the first or from the middle of a text.
#include <algorithm>

#include "stages.hpp"

namespace {

struct Case {
  uint32_t key_dim, key_heads, value_heads, value_dim, taps, position, tokens;
  uint32_t channels() const { return 2 * key_heads * key_dim + value_heads * value_dim; }
};

class Sitting {
 public:
  Sitting(Gpu& gpu, Report& report, const Case& c)
      : gpu_(gpu), report_(report), c_(c), random_(c.key_dim + c.position * 31 + c.taps * 7 + c.value_heads) {
    conv_ = random_.vector(size_t{c.channels()} * c.taps);
    decay_ = random_.vector(c.value_heads, -2, -0.05);
    bias_ = random_.vector(c.value_heads);
    const size_t cells = size_t{c.value_heads} * c.value_dim * c.key_dim;
    // What lies there before the first token does not count.
    ring_.assign(size_t{c.taps} * c.channels(), NAN);
    std::vector<float> state(cells, NAN);
    state_.assign(cells, 0);
    if (c.position > 0) {
      state = random_.vector(cells);
      state_ = doubles(state);
      for (uint32_t age = 1; age < c.taps && age <= c.position; age++) {
        for (uint32_t i = 0; i < c.channels(); i++) ring_[slot(c.position - age) + i] = random_.normal();
      }
    }
    in_ = gpu.make<float>(c.channels() + 2 * c.value_heads);
    args_.token = gpu.upload(std::vector<Token>(1));
    args_.projected = in_;
    args_.alpha = in_ + c.channels();
    args_.beta = args_.alpha + c.value_heads;
    args_.conv = gpu.upload(conv_);
    args_.decay = gpu.upload(decay_);
    args_.step_bias = gpu.upload(bias_);
    args_.window = gpu.upload(ring_);
    args_.state = gpu.upload(state);
    args_.out = gpu.make<float>(c.value_heads * c.value_dim);
    args_.key_heads = c.key_heads;
    args_.value_heads = c.value_heads;
    args_.key_dim = c.key_dim;
    args_.value_dim = c.value_dim;
    args_.taps = c.taps;
    args_.epsilon = static_cast<float>(EPSILON);
  }

  void step(uint32_t position) {
    const std::vector<float> in = random_.vector(c_.channels() + 2 * c_.value_heads, -1.5, 1.5);
    gpu_.write(in_, in);
    gpu_.write(const_cast<Token*>(args_.token), std::vector<Token>{Token{position, 0, 0, 0, 0}});
    gpu_.launch("delta_step_" + std::to_string(c_.key_dim), Shape{c_.value_heads * ((c_.value_dim + 31) / 32), 1, 256, 0},
                args_);

    // Inputs are kept for every channel that some head uses.
    for (uint32_t i = 0; i < c_.channels(); i++) {
      const bool is_value = i >= 2 * c_.key_heads * c_.key_dim;
      if (is_value || i / c_.key_dim % c_.key_heads < c_.value_heads) ring_[slot(position) + i] = in[i];
    }
    const std::vector<float> ring = gpu_.read(args_.window, ring_.size());
    report_.check("window", memcmp(ring.data(), ring_.data(), ring.size() * sizeof(float)) == 0);
    const Doubles out = advance(in, position);
    report_.check("output", distance(out, gpu_.read(args_.out, out.size())), 1e-5);
    report_.check("state", distance(state_, gpu_.read(args_.state, state_.size())), 1e-5);
  }

 private:
  size_t slot(uint32_t position) const { return size_t{position % c_.taps} * c_.channels(); }

  // Convolution and SiLU of all channels.
  Doubles convolved(uint32_t position) const {
    Doubles active(c_.channels());
    for (uint32_t i = 0; i < c_.channels(); i++) {
      double sum = 0;
      for (uint32_t age = 0; age < c_.taps && age <= position; age++) {
        sum += static_cast<double>(conv_[size_t{i} * c_.taps + c_.taps - 1 - age]) * ring_[slot(position - age) + i];
      }
      active[i] = silu(sum);
    }
    return active;
  }

  // One step of the delta rule as it is defined.
  Doubles advance(const std::vector<float>& in, uint32_t position) {
    const uint32_t dim = c_.key_dim;
    const Doubles active = convolved(position);
    Doubles out;
    for (uint32_t h = 0; h < c_.value_heads; h++) {
      const double* query = &active[h % c_.key_heads * dim];
      const double* key = query + c_.key_heads * dim;
      double of_query = EPSILON, of_key = EPSILON;
      for (uint32_t i = 0; i < dim; i++) of_query += query[i] * query[i], of_key += key[i] * key[i];
      of_query = 1 / std::sqrt(of_query * dim);
      of_key = 1 / std::sqrt(of_key);
      const double alpha = in[c_.channels() + h], beta = in[c_.channels() + c_.value_heads + h];
      const double decay = std::exp(decay_[h] * std::log1p(std::exp(alpha + bias_[h]))),
                   rate = 1 / (1 + std::exp(-beta));
      for (uint32_t v = 0; v < c_.value_dim; v++) {
        double* row = &state_[(size_t{h} * c_.value_dim + v) * dim];
        double recalled = 0, sum = 0;
        for (uint32_t i = 0; i < dim; i++) {
          row[i] *= decay;
          recalled += row[i] * key[i] * of_key;
        }
        const double change = rate * (active[2 * c_.key_heads * dim + h * c_.value_dim + v] - recalled);
        for (uint32_t i = 0; i < dim; i++) {
          row[i] += change * key[i] * of_key;
          sum += row[i] * query[i] * of_query;
        }
        out.push_back(sum);
      }
    }
    return out;
  }

  Gpu& gpu_;
  Report& report_;
  const Case& c_;
  Random random_;
  std::vector<float> conv_, decay_, bias_, ring_;
  Doubles state_;
  float* in_;
  DeltaArgs args_{};
};

}  // namespace

void test_delta(Gpu& gpu, Report& report) {
  uint32_t n = 0;
  for (const uint32_t key_dim : {32u, 64u, 128u, 256u}) {
    for (const uint32_t position : {0u, 2u, 1023u}) {
      for (const uint32_t taps : {1u, 3u, 4u}) {
        Case c{};
        c.key_dim = key_dim;
        c.key_heads = 1 + n % 3;
        c.value_heads = n % 5 == 4 ? c.key_heads : 2 * c.key_heads + n % 2;
        c.value_dim = n % 3 == 0 ? key_dim : n % 3 == 1 ? 40 : 7;
        c.taps = taps;
        c.position = position;
        c.tokens = 5;
        n++;
        test = "delta_step_" + std::to_string(key_dim) + ", " + std::to_string(taps) + " taps, position " +
               std::to_string(position);
        Sitting sitting(gpu, report, c);
        for (uint32_t t = 0; t < c.tokens; t++) sitting.step(c.position + t);
        gpu.clear();
      }
    }
  }
}
