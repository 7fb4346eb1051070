// Random numbers, distances, and what every stage does before its product, in f64.
#pragma once
#include <cmath>
#include <cstdint>
#include <vector>

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15ull + 1) {}
  uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }
  float uniform(double low, double high) {
    return static_cast<float>(low + (high - low) * static_cast<double>(next() >> 11) * 0x1p-53);
  }
  // Near enough to a normal distribution.
  float normal() {
    double sum = 0;
    for (int i = 0; i < 4; i++) sum += uniform(-0.5, 0.5);
    return static_cast<float>(sum * 1.7320508);
  }
  std::vector<float> vector(size_t count, double low = -1, double high = 1) {
    std::vector<float> values(count);
    for (float& value : values) value = uniform(low, high);
    return values;
  }

 private:
  uint64_t state_;
};

using Doubles = std::vector<double>;

inline Doubles doubles(const std::vector<float>& values) { return Doubles(values.begin(), values.end()); }

// Distance of `got` from `want` (L2), relative to the larger of `want` and what is usual for its size.
inline double distance(const Doubles& want, const std::vector<float>& got, double usual_square = 0) {
  double error = 0, size = usual_square;
  for (size_t i = 0; i < want.size(); i++) {
    const double difference = got[i] - want[i];
    if (!std::isfinite(difference)) return INFINITY;
    error += difference * difference;
    size += want[i] * want[i];
  }
  return std::sqrt(error / (size + 1e-300));
}

constexpr double EPSILON = 1e-6;

// One over the root mean square of `count` numbers.
inline double inverse_rms(const double* x, size_t count) {
  double square = 0;
  for (size_t i = 0; i < count; i++) square += x[i] * x[i];
  return 1 / std::sqrt(square / static_cast<double>(count) + EPSILON);
}

// x / rms(x) * weight
inline Doubles normed(const Doubles& x, const std::vector<float>& weight) {
  const double factor = inverse_rms(x.data(), x.size());
  Doubles y(x.size());
  for (size_t i = 0; i < x.size(); i++) y[i] = x[i] * factor * weight[i];
  return y;
}

inline double silu(double x) { return x / (1 + std::exp(-x)); }
inline double gelu(double x) { return 0.5 * x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x))); }
