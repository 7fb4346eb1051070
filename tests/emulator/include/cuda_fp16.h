// Numbers of 16 bits: conversions round to the nearest, of two to the even one.
#pragma once
#include "../language.hpp"

struct __half {
  uint16_t bits;
};
struct alignas(4) __half2 {
  __half x, y;
};
using half = __half;

inline __half __ushort_as_half(uint16_t bits) { return __half{bits}; }

inline float __half2float(__half h) {
  const uint32_t sign = static_cast<uint32_t>(h.bits & 0x8000) << 16, exponent = h.bits >> 10 & 31,
                 mantissa = h.bits & 1023;
  if (exponent == 31) return __uint_as_float(sign | 0x7f800000u | mantissa << 13);
  if (exponent > 0) return __uint_as_float(sign | (exponent + 112) << 23 | mantissa << 13);
  const float tiny = static_cast<float>(mantissa) * 0x1p-24f;
  return sign ? -tiny : tiny;
}

inline __half __float2half_rn(float x) {
  const uint32_t bits = __float_as_uint(x), magnitude = bits & 0x7fffffffu;
  const uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  if (magnitude > 0x7f800000u) return __half{0x7fff};
  if (magnitude >= 0x477ff000u) return __half{static_cast<uint16_t>(sign | 0x7c00)};  // 65520 and more
  if (magnitude < 0x38800000u) {                                                      // below 2^-14
    const float units = std::nearbyint(__uint_as_float(magnitude) * 0x1p24f);
    return __half{static_cast<uint16_t>(sign | static_cast<uint32_t>(units))};
  }
  const uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
  return __half{static_cast<uint16_t>(sign | ((rounded >> 13) - (112u << 10)))};
}

inline __half2 __floats2half2_rn(float x, float y) { return __half2{__float2half_rn(x), __float2half_rn(y)}; }
inline float2 __half22float2(__half2 pair) { return make_float2(__half2float(pair.x), __half2float(pair.y)); }
