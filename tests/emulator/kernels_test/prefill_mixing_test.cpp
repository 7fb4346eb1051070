// prefill: attention over caches and batches, and the delta rule, with texts cut in several ways.
#include "stages.hpp"

namespace {
#include "prefill/attention.cu"
#include "prefill/delta.cu"
#include "prefill/heads.cu"
}  // namespace

namespace {

// Rounds as the caches do.
double as_half(double x) {
  uint8_t bytes[2];
  put_half(bytes, static_cast<float>(x));
  return half_at(bytes);
}

struct Case {
  uint32_t dim, heads, kv_heads, rotary, window;
  bool gated, value_norm;
};

// A head behind norm and rotation.
Doubles prepared(const float* from, const std::vector<float>* weight, const Case& c, uint32_t position, bool rotates, bool norms) {
  Doubles x(from, from + c.dim);
  if (norms) {
    const double factor = inverse_rms(x.data(), c.dim);
    for (uint32_t i = 0; i < c.dim; i++) x[i] *= factor * (weight ? (*weight)[i] : 1);
  }
  if (!rotates) return x;
  for (uint32_t i = 0; i < c.rotary / 2; i++) {
    const double angle = position * std::pow(10000.0, -2.0 * i / c.rotary), a = x[i], b = x[i + c.rotary / 2];
    x[i] = a * std::cos(angle) - b * std::sin(angle);
    x[i + c.rotary / 2] = b * std::cos(angle) + a * std::sin(angle);
  }
  return x;
}

void test_prompt(Gpu& gpu, Report& report, const Case& c, const std::vector<uint32_t>& batches) {
  uint32_t tokens = 0, batch = 0;
  for (const uint32_t n : batches) tokens += n, batch = std::max(batch, n);
  test = "prefill attention " + std::to_string(c.dim) + ", " + std::to_string(c.heads) + " heads, window " + std::to_string(c.window) + ", " +
         std::to_string(tokens) + " tokens in " + std::to_string(batches.size());
  Random random(c.dim + c.heads * 7 + c.window + batches.size());
  const uint32_t capacity = c.window ? std::min(c.window, tokens) : tokens + 2, keys = c.kv_heads * c.dim;
  const uint32_t stride = c.gated ? 2 * c.dim : c.dim, query_row = c.heads * stride, key_row = keys + 4, out_row = c.heads * c.dim + 8;
  const std::vector<float> query = random.vector(tokens * query_row, -2, 2), key = random.vector(tokens * key_row);
  const std::vector<float> value = random.vector(tokens * key_row), query_norm = random.vector(c.dim, 0.5, 1.5), key_norm = random.vector(c.dim, 0.5, 1.5);
  std::vector<double> frequency(c.rotary / 2);
  for (uint32_t i = 0; i < c.rotary / 2; i++) frequency[i] = std::pow(10000.0, -2.0 * i / c.rotary);

  HeadsArgs heads{};
  const float *queries = gpu.upload(query), *new_keys = gpu.upload(key), *new_values = gpu.upload(value);
  heads.query_norm = gpu.upload(query_norm);
  heads.key_norm = gpu.upload(key_norm);
  heads.frequency = gpu.upload(frequency);
  heads.queries = gpu.make<__half>(2 * batch * c.heads * c.dim);
  heads.keys = gpu.make<__half>(batch * keys);
  heads.values = gpu.make<__half>(batch * keys);
  heads.query_row = query_row, heads.key_row = heads.value_row = key_row, heads.query_stride = stride;
  heads.heads = c.heads, heads.kv_heads = c.kv_heads, heads.rotary = c.rotary, heads.value_norm = c.value_norm;
  heads.batch = batch;
  heads.epsilon = static_cast<float>(EPSILON);
  PromptAttentionArgs args{};
  args.queries = heads.queries, args.keys = heads.keys, args.values = heads.values;
  __half* const key_cache = gpu.make<__half>(capacity * keys);
  __half* const value_cache = gpu.make<__half>(capacity * keys);
  args.key_cache = key_cache, args.value_cache = value_cache;
  args.gate_row = query_row, args.gate_stride = stride, args.out_row = out_row;
  args.heads = c.heads, args.kv_heads = c.kv_heads, args.batch = batch, args.capacity = capacity, args.window = c.window;
  args.scale = 0.2f;
  const uint32_t shared = c.heads / c.kv_heads;
  args.at_once = std::min(16u, shared);
  while (shared % args.at_once != 0) args.at_once--;
  float* const out = gpu.make<float>(tokens * out_row);
  const uint32_t threads = c.dim == 64 ? 128 : 256, slices = c.dim / 64, positions = threads / 2 / slices;
  const size_t bytes = 8 * positions * c.dim + slices * 16 * (positions + 4) * 4;
  uint32_t done = 0;
  for (const uint32_t n : batches) {
    heads.query = queries + done * query_row, heads.key = new_keys + done * key_row, heads.value = new_values + done * key_row;
    heads.position = args.position = done;
    args.gate = c.gated ? heads.query + c.dim : nullptr;
    args.out = out + done * out_row;
    args.tokens = n;
    gpu.launch("prefill_heads_" + std::to_string(c.dim), Shape{n, 1, 256, c.dim * 36}, heads);
    const uint32_t columns = 16 / args.at_once;
    gpu.launch("prefill_attention_" + std::to_string(c.dim), Shape{(n + columns - 1) / columns, c.heads / args.at_once, threads, bytes}, args);
    AppendArgs append{};
    append.keys = reinterpret_cast<const uint4*>(heads.keys), append.values = reinterpret_cast<const uint4*>(heads.values);
    append.key_cache = reinterpret_cast<uint4*>(key_cache), append.value_cache = reinterpret_cast<uint4*>(value_cache);
    append.position = done, append.tokens = n, append.batch = batch, append.capacity = capacity, append.pieces = c.dim / 8;
    gpu.launch("prefill_append", Shape{n, c.kv_heads, 128, 0}, append);
    done += n;
  }

  std::vector<Doubles> all_keys, all_values;
  for (uint32_t t = 0; t < tokens; t++) {
    for (uint32_t h = 0; h < c.kv_heads; h++) {
      all_keys.push_back(prepared(&key[t * key_row + h * c.dim], &key_norm, c, t, true, true));
      all_values.push_back(prepared(&value[t * key_row + h * c.dim], nullptr, c, t, false, c.value_norm));
      for (double& x : all_keys.back()) x = as_half(x);
      for (double& x : all_values.back()) x = as_half(x);
    }
  }
  const std::vector<float> got = gpu.read(out, tokens * out_row);
  for (uint32_t t = 0; t < tokens; t++) {
    const uint32_t first = c.window && t + 1 > c.window ? t + 1 - c.window : 0;
    for (uint32_t h = 0; h < c.heads; h++) {
      const Doubles q = prepared(&query[t * query_row + h * stride], &query_norm, c, t, true, true);
      Doubles scores, want(c.dim);
      double most = -INFINITY, sum = 0;
      for (uint32_t p = first; p <= t; p++) {
        double score = 0;
        for (uint32_t i = 0; i < c.dim; i++) score += q[i] * all_keys[p * c.kv_heads + h / shared][i];
        scores.push_back(score * 0.2);
        most = std::max(most, scores.back());
      }
      for (uint32_t p = first; p <= t; p++) {
        const double weight = std::exp(scores[p - first] - most);
        sum += weight;
        for (uint32_t i = 0; i < c.dim; i++) want[i] += weight * all_values[p * c.kv_heads + h / shared][i];
      }
      for (uint32_t i = 0; i < c.dim; i++) {
        want[i] /= sum;
        if (c.gated) want[i] /= 1 + std::exp(-static_cast<double>(query[t * query_row + h * stride + c.dim + i]));
      }
      const float* const from = &got[t * out_row + h * c.dim];
      // A key or a value may be rounded to the other neighbour than here, and few are seen.
      report.check("token " + std::to_string(t), distance(want, std::vector<float>(from, from + c.dim)), 4e-4);
    }
  }
  // What decode finds afterwards.
  const std::vector<__half> cache = gpu.read(key_cache, capacity * keys);
  for (uint32_t t = tokens - std::min(tokens, capacity); t < tokens; t++) {
    for (uint32_t h = 0; h < c.kv_heads; h++) {
      std::vector<float> row;
      for (uint32_t i = 0; i < c.dim; i++) row.push_back(__half2float(cache[(h * capacity + t % capacity) * c.dim + i]));
      report.check("cached key", distance(all_keys[t * c.kv_heads + h], row), 2e-4);
    }
  }
  gpu.clear();
}

void test_rule(Gpu& gpu, Report& report, uint32_t key_dim, uint32_t value_dim, uint32_t taps, const std::vector<uint32_t>& batches) {
  constexpr uint32_t KEY_HEADS = 2, HEADS = 4;
  uint32_t tokens = 0;
  for (const uint32_t n : batches) tokens += n;
  test = "prefill delta " + std::to_string(key_dim) + " x " + std::to_string(value_dim) + ", " + std::to_string(tokens) + " tokens in " +
         std::to_string(batches.size());
  const uint32_t keys = KEY_HEADS * key_dim, channels = 2 * keys + HEADS * value_dim, stride = channels + 4, out_row = HEADS * value_dim + 4;
  Random random(key_dim + value_dim + taps);
  const std::vector<float> projected = random.vector(tokens * stride), alpha = random.vector(tokens * HEADS, -2, 2), beta = random.vector(tokens * HEADS);
  const std::vector<float> conv = random.vector(channels * taps), decay = random.vector(HEADS, -1, -0.1), bias = random.vector(HEADS);
  ConvolveArgs convolve{};
  const float *in = gpu.upload(projected), *alphas = gpu.upload(alpha), *betas = gpu.upload(beta);
  convolve.conv = gpu.upload(conv), convolve.decay = gpu.upload(decay), convolve.step_bias = gpu.upload(bias);
  convolve.active = gpu.make<float>(tokens * channels);
  convolve.gates = gpu.make<float2>(tokens * HEADS);
  convolve.products = gpu.make<float>(tokens * KEY_HEADS);
  convolve.stride = stride, convolve.key_heads = KEY_HEADS, convolve.value_heads = HEADS, convolve.key_dim = key_dim, convolve.value_dim = value_dim;
  convolve.taps = taps, convolve.epsilon = static_cast<float>(EPSILON);
  ScanArgs scan{};
  scan.active = convolve.active, scan.gates = convolve.gates, scan.products = convolve.products;
  scan.window = gpu.make<float>(taps * channels);
  scan.state = gpu.make<float>(HEADS * value_dim * key_dim);
  convolve.window = scan.window;
  scan.stride = stride, scan.out_stride = out_row, scan.key_heads = KEY_HEADS, scan.value_heads = HEADS, scan.value_dim = value_dim, scan.taps = taps;
  float* const out = gpu.make<float>(tokens * out_row);
  uint32_t done = 0;
  for (const uint32_t n : batches) {
    convolve.projected = scan.projected = in + done * stride;
    convolve.alpha = alphas + done * HEADS, convolve.beta = betas + done * HEADS;
    convolve.position = scan.position = done;
    scan.tokens = n;
    scan.out = out + done * out_row;
    gpu.launch("prefill_convolve", Shape{n, 1, 256, 0}, convolve);
    const size_t bytes = 2 * 8 * (2 * key_dim * 4 + 32 * 4 + 16);
    gpu.launch("prefill_delta_" + std::to_string(key_dim), Shape{HEADS, (value_dim + 31) / 32, 256, bytes}, scan);
    done += n;
  }
  const std::vector<float> got = gpu.read(out, tokens * out_row), state = gpu.read(scan.state, HEADS * value_dim * key_dim);
  std::vector<Doubles> s(HEADS, Doubles(value_dim * key_dim));
  Doubles want, have_all;
  std::vector<float> have;
  for (uint32_t t = 0; t < tokens; t++) {
    Doubles active(channels);
    for (uint32_t c = 0; c < channels; c++) {
      double sum = 0;
      for (uint32_t i = 0; i < taps; i++) {
        if (t + i + 1 >= taps) sum += static_cast<double>(conv[c * taps + i]) * projected[(t + i + 1 - taps) * stride + c];
      }
      active[c] = silu(sum);
    }
    auto unit = [&](uint32_t first) {
      Doubles x(active.begin() + first, active.begin() + first + key_dim);
      double square = EPSILON;
      for (const double v : x) square += v * v;
      for (double& v : x) v /= std::sqrt(square);
      return x;
    };
    for (uint32_t h = 0; h < HEADS; h++) {
      Doubles q = unit(h % KEY_HEADS * key_dim);
      const Doubles k = unit(keys + h % KEY_HEADS * key_dim);
      for (double& v : q) v /= std::sqrt(key_dim);
      const double a = alpha[t * HEADS + h] + static_cast<double>(bias[h]), g = std::exp(decay[h] * std::log1p(std::exp(a)));
      const double b = 1 / (1 + std::exp(-static_cast<double>(beta[t * HEADS + h])));
      for (uint32_t row = 0; row < value_dim; row++) {
        double* const of_row = &s[h][row * key_dim];
        double memory = 0, result = 0;
        for (uint32_t i = 0; i < key_dim; i++) memory += (of_row[i] *= g) * k[i];
        const double change = b * (active[2 * keys + h * value_dim + row] - memory);
        for (uint32_t i = 0; i < key_dim; i++) result += (of_row[i] += change * k[i]) * q[i];
        want.push_back(result);
        have.push_back(got[t * out_row + h * value_dim + row]);
      }
    }
  }
  report.check("outputs", distance(want, have), 5e-6);
  for (uint32_t h = 0; h < HEADS; h++) {
    const auto begin = state.begin() + h * value_dim * key_dim;
    report.check("state", distance(s[h], std::vector<float>(begin, begin + value_dim * key_dim)), 5e-6);
  }
  const std::vector<float> window = gpu.read(scan.window, taps * channels);
  for (uint32_t t = tokens - std::min(tokens, taps); t < tokens; t++) {
    const auto from = window.begin() + t % taps * channels;
    report.check("window", std::equal(from, from + channels, projected.begin() + t * stride));
  }
  gpu.clear();
}

}  // namespace

void test_prefill_mixing(Gpu& gpu, Report& report) {
  const std::vector<std::vector<uint32_t>> cuts = {{1}, {7}, {33}, {5, 20, 1, 9}};
  uint32_t n = 0;
  for (const Case& c : {Case{64, 6, 2, 24, 0, true, false}, Case{64, 6, 3, 64, 8, false, true}, Case{128, 8, 1, 64, 0, true, false},
                        Case{256, 4, 2, 256, 20, false, true}, Case{512, 4, 2, 512, 0, false, true}, Case{64, 32, 1, 64, 0, false, false}}) {
    for (const auto& batches : cuts) test_prompt(gpu, report, c, batches);
  }
  test_prompt(gpu, report, Case{128, 4, 4, 128, 0, false, false}, {150, 3});
  for (const uint32_t dim : {32u, 64u, 128u, 256u}) {
    for (const auto& batches : cuts) test_rule(gpu, report, dim, n % 2 ? 48 : 64, n % 3 + 2, batches), n++;
  }
}
