// Matrices of every type: random bytes as in a file, their values by the formats' definitions, and their planes on the
// GPU, which the repacking kernels make.
#pragma once
#include "gpu.hpp"
#include "numbers.hpp"
#include "records.hpp"

struct TypeFacts {
  uint32_t type;
  const char* name;
  uint32_t weights, bytes;  // of a block
};
constexpr TypeFacts TYPES[] = {{F32, "F32", 1, 4},       {F16, "F16", 1, 2},       {BF16, "BF16", 1, 2},
                               {Q8_0, "Q8_0", 32, 34},   {Q5_0, "Q5_0", 32, 22},   {Q5_1, "Q5_1", 32, 24},
                               {Q4_K, "Q4_K", 256, 144}, {Q5_K, "Q5_K", 256, 176}, {Q6_K, "Q6_K", 256, 210}};

inline const TypeFacts& facts(uint32_t type) {
  const TypeFacts* found = TYPES;
  while (found->type != type) found++;
  return *found;
}

// Whether products take the vector as floats; otherwise as integers.
inline bool takes_floats(uint32_t type) { return type == F32 || type == F16 || type == BF16; }

inline double half_at(const uint8_t* p) {
  uint16_t bits;
  memcpy(&bits, p, 2);
  const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  const double size = exponent == 0    ? std::ldexp(mantissa, -24)
                      : exponent == 31 ? (mantissa ? NAN : INFINITY)
                                       : std::ldexp(1024 + mantissa, exponent - 25);
  return bits & 0x8000 ? -size : size;
}

inline void put_half(uint8_t* p, float x) {
  const __half h = __float2half_rn(x);
  memcpy(p, &h, 2);
}

// One block's values.
inline void dequantise(uint32_t type, const uint8_t* p, double* y) {
  const double d = half_at(p);
  switch (type) {
    case F32: {
      float value;
      memcpy(&value, p, 4);
      *y = value;
      return;
    }
    case F16:
      *y = d;
      return;
    case BF16: {
      const uint32_t bits = static_cast<uint32_t>(p[1]) << 24 | static_cast<uint32_t>(p[0]) << 16;
      float value;
      memcpy(&value, &bits, 4);
      *y = value;
      return;
    }
    case Q8_0:
      for (int i = 0; i < 32; i++) y[i] = d * static_cast<int8_t>(p[2 + i]);
      return;
    case Q5_0:
    case Q5_1: {
      const uint8_t* bits = p + (type == Q5_1 ? 4 : 2);
      for (int i = 0; i < 32; i++) {
        const int nibble = bits[4 + i % 16] >> i / 16 * 4 & 15, value = nibble | (bits[i / 8] >> i % 8 & 1) << 4;
        y[i] = type == Q5_1 ? d * value + half_at(p + 2) : d * (value - 16);
      }
      return;
    }
    case Q4_K:
    case Q5_K: {
      const double minimum = half_at(p + 2);
      const uint8_t *s = p + 4, *nibbles = p + (type == Q5_K ? 48 : 16);
      for (int i = 0; i < 256; i++) {
        const int sub = i / 32, in_sub = i % 32;
        const int scale = sub < 4 ? s[sub] & 63 : (s[sub + 4] & 15) | s[sub - 4] >> 6 << 4;
        const int least = sub < 4 ? s[sub + 4] & 63 : s[sub + 4] >> 4 | s[sub] >> 6 << 4;
        int value = nibbles[sub / 2 * 32 + in_sub] >> sub % 2 * 4 & 15;
        if (type == Q5_K) value |= (p[16 + in_sub] >> sub & 1) << 4;
        y[i] = d * scale * value - minimum * least;
      }
      return;
    }
    default:
      for (int i = 0; i < 256; i++) {
        const int half = i / 128, quarter = i % 128 / 32, in_quarter = i % 32;
        const int nibble = p[half * 64 + quarter % 2 * 32 + in_quarter] >> quarter / 2 * 4 & 15;
        const int upper = p[128 + half * 32 + in_quarter] >> quarter * 2 & 3;
        const int scale = static_cast<int8_t>(p[192 + i / 16]);
        y[i] = half_at(p + 208) * scale * ((nibble | upper << 4) - 32);
      }
  }
}

// A matrix in a file.
struct Tensor {
  uint32_t type;
  uint64_t rows;
  uint32_t columns;
  std::vector<uint8_t> bytes;
  Doubles values;

  Tensor(Random& random, uint32_t type, uint64_t rows, uint32_t columns) : type(type), rows(rows), columns(columns) {
    const TypeFacts& t = facts(type);
    const uint64_t blocks = rows * columns / t.weights;
    bytes.resize(blocks * t.bytes);
    values.resize(rows * columns);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.next() >> 32);
    for (uint64_t b = 0; b < blocks; b++) {
      uint8_t* p = &bytes[b * t.bytes];
      put_scales(random, p);
      dequantise(type, p, &values[b * t.weights]);
    }
  }

  const double* row(uint64_t row) const { return &values[row * columns]; }

  double product(uint64_t at, const double* x) const {
    const double* w = row(at);
    double sum = 0;
    for (uint32_t i = 0; i < columns; i++) sum += w[i] * x[i];
    return sum;
  }
  Doubles product(const Doubles& x) const {
    Doubles y(rows);
    for (uint64_t i = 0; i < rows; i++) y[i] = product(i, x.data());
    return y;
  }

  // The square that a product with a vector of this square usually has: rows may cancel.
  double usual_square(const Doubles& x) const {
    double of_weights = 0, of_vector = 0;
    for (const double w : values) of_weights += w * w;
    for (const double v : x) of_vector += v * v;
    return of_weights * of_vector / columns;
  }

 private:
  // Numbers where random bits could be none, of a size that sums can bear.
  void put_scales(Random& random, uint8_t* p) const {
    switch (type) {
      case F32: {
        const float value = random.uniform(-1, 1);
        memcpy(p, &value, 4);
        return;
      }
      case F16:
        return put_half(p, random.uniform(-1, 1));
      case BF16: {
        const float value = random.uniform(-1, 1);
        memcpy(p, reinterpret_cast<const uint8_t*>(&value) + 2, 2);
        return;
      }
      case Q8_0:
        return put_half(p, random.uniform(0.001, 0.01));
      case Q5_0:
        return put_half(p, random.uniform(-0.05, 0.05));
      case Q5_1:
        put_half(p, random.uniform(0.01, 0.05));
        return put_half(p + 2, random.uniform(-1, 0));
      case Q6_K:
        return put_half(p + 208, random.uniform(0.0001, 0.0005));
      default:
        put_half(p, random.uniform(0.0005, 0.002));
        return put_half(p + 2, random.uniform(0.0005, 0.002));
    }
  }
};

// How a type's blocks are cut, in words of 16 bits.
struct Cut {
  uint32_t words, first[4], count[4];
};
inline const Cut* cut_of(uint32_t type) {
  static const Cut q6_k{105, {0, 64, 96, 104}, {64, 32, 8, 1}}, q8_0{17, {1, 0, 0, 0}, {16, 1, 0, 0}},
      q5_0{11, {3, 1, 0, 0}, {8, 2, 1, 0}}, q5_1{12, {4, 2, 0, 0}, {8, 2, 2, 0}};
  switch (type) {
    case Q6_K:
      return &q6_k;
    case Q8_0:
      return &q8_0;
    case Q5_0:
      return &q5_0;
    case Q5_1:
      return &q5_1;
    default:
      return nullptr;
  }
}

// The matrix as kernels take it; checks that its planes lead back to the file's bytes.
inline Matrix matrix_of(Gpu& gpu, Report& report, const Tensor& tensor) {
  Matrix matrix{};
  matrix.type = tensor.type;
  matrix.columns = tensor.columns;
  const Cut* cut = cut_of(tensor.type);
  uint8_t* file = gpu.upload(tensor.bytes);
  if (!cut) {
    matrix.plane[0] = file;
    return matrix;
  }
  RepackArgs args{};
  args.file = reinterpret_cast<uint16_t*>(file);
  args.blocks = tensor.bytes.size() / facts(tensor.type).bytes;
  args.words = cut->words;
  // One behind another, equally far apart in matrices of one shape.
  uint64_t begins[4], end = 0;
  for (int p = 0; p < 4; p++) {
    begins[p] = end;
    end += (args.blocks * cut->count[p] * 2 + 255) / 256 * 256;
  }
  uint8_t* const planes = gpu.make<uint8_t>(end);
  for (int p = 0; p < 4; p++) {
    args.first[p] = cut->first[p];
    args.count[p] = cut->count[p];
    if (cut->count[p] > 0) args.plane[p] = reinterpret_cast<uint16_t*>(planes + begins[p]);
    matrix.plane[p] = reinterpret_cast<const uint8_t*>(args.plane[p]);
  }
  gpu.launch("repack", Shape{7, 1, 256, 0}, args);
  gpu.write(file, std::vector<uint8_t>(tensor.bytes.size()));
  gpu.launch("restore", Shape{5, 1, 256, 0}, args);
  report.check("bytes of the file again", gpu.read(file, tensor.bytes.size()) == tensor.bytes);
  return matrix;
}
