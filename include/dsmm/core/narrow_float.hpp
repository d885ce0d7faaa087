// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/dtype.hpp"

/// Exact conversions between f32 and the floats below it: to f32 without loss, from f32 with one rounding to nearest
/// even, in integer arithmetic alone, so that no compiler flag or instruction set can change a bit.
namespace dsmm::inline DSMM_ABI {

/// How a narrow float spends its bits.
struct narrow_format {
  int exponent_bits, mantissa_bits, bias;
  bool ieee;              ///< exponent of ones: infinity and NaN
  bool fnuz;              ///< the one NaN is the pattern of -0
  std::uint32_t largest;  ///< bits of the largest finite magnitude

  constexpr std::uint32_t sign_bit() const noexcept { return 1u << (exponent_bits + mantissa_bits); }
  constexpr std::uint32_t nan() const noexcept {
    if (fnuz) return sign_bit();
    return ieee ? ((1u << exponent_bits) - 1) << mantissa_bits | 1u << (mantissa_bits - 1) : sign_bit() - 1;
  }
  /// What stands for infinity: NaN where the format has none.
  constexpr std::uint32_t infinity(std::uint32_t sign) const noexcept {
    if (fnuz) return nan();
    return (ieee ? ((1u << exponent_bits) - 1) << mantissa_bits : nan()) | sign;
  }
};

/// The format of a narrow float type.
constexpr narrow_format narrow_format_of(dtype type) noexcept {
  switch (type) {
    case dtype::f16: return {5, 10, 15, true, false, 0x7BFF};
    case dtype::bf16: return {8, 7, 127, true, false, 0x7F7F};
    case dtype::f8e4m3fn: return {4, 3, 7, false, false, 0x7E};
    case dtype::f8e4m3fnuz: return {4, 3, 8, false, true, 0x7F};
    case dtype::f8e5m2: return {5, 2, 15, true, false, 0x7B};
    default: return {5, 2, 16, false, true, 0x7F};  // f8e5m2fnuz
  }
}

/// The value of a narrow float; any NaN becomes the positive quiet one.
constexpr float widen(std::uint32_t bits, narrow_format f) noexcept {
  const std::uint32_t sign = bits & f.sign_bit(), magnitude = bits & (f.sign_bit() - 1);
  const std::uint32_t sign32 = sign != 0 ? 0x8000'0000u : 0u;
  const std::uint32_t top = ((1u << f.exponent_bits) - 1) << f.mantissa_bits;
  if (f.ieee && magnitude >= top) return std::bit_cast<float>(magnitude == top ? sign32 | 0x7F80'0000u : 0x7FC0'0000u);
  if (f.fnuz ? bits == f.nan() : !f.ieee && magnitude == f.nan()) return std::bit_cast<float>(0x7FC0'0000u);
  std::uint32_t mantissa = magnitude & ((1u << f.mantissa_bits) - 1);
  int exponent = static_cast<int>(magnitude >> f.mantissa_bits);
  if (magnitude == 0) return std::bit_cast<float>(sign32);
  if (exponent == 0) {  // subnormal: shift until the leading one is implicit
    exponent = 1;
    for (; (mantissa >> f.mantissa_bits) == 0; mantissa <<= 1) --exponent;
    mantissa &= (1u << f.mantissa_bits) - 1;
  }
  const int exponent32 = exponent - f.bias + 127;
  if (exponent32 <= 0)  // bf16 subnormals are f32 subnormals
    return std::bit_cast<float>(sign32 |
                                (mantissa | 1u << f.mantissa_bits) << (23 - f.mantissa_bits) >> (1 - exponent32));
  return std::bit_cast<float>(sign32 | static_cast<std::uint32_t>(exponent32) << 23 |
                              mantissa << (23 - f.mantissa_bits));
}

/// The nearest narrow float, ties to even. Beyond the largest: it with `saturate`, else infinity (NaN where the format
/// has no infinity). An infinity saturates as well.
constexpr std::uint32_t narrow(float value, narrow_format f, bool saturate = false) noexcept {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t magnitude = bits & 0x7FFF'FFFFu;
  const std::uint32_t sign = (bits >> 31) != 0 ? f.sign_bit() : 0;
  if (magnitude > 0x7F80'0000u) return f.nan() | (f.fnuz ? 0 : sign);
  if (magnitude == 0x7F80'0000u) return saturate ? f.largest | sign : f.infinity(sign);
  const int exponent = static_cast<int>(magnitude >> 23) - 127 + f.bias;
  // The significand with its leading one (an f32 subnormal has none: only bf16 can still see it).
  const std::uint64_t significand = (magnitude & 0x7F'FFFFu) | (magnitude >= 0x80'0000u ? 0x80'0000u : 0u);
  const int effective = magnitude >= 0x80'0000u ? exponent : 1 - 127 + f.bias;
  int shift = 23 - f.mantissa_bits;
  std::uint64_t base = 0;
  if (effective >= 1) base = static_cast<std::uint64_t>(effective - 1) << f.mantissa_bits;
  else shift += 1 - effective;
  if (shift > 40) return f.fnuz ? 0 : sign;
  std::uint64_t rounded = significand >> shift;
  const std::uint64_t rest = significand & ((std::uint64_t{1} << shift) - 1), half = std::uint64_t{1} << (shift - 1);
  rounded += rest > half || (rest == half && (rounded & 1) != 0) ? 1 : 0;
  const std::uint64_t result = base + rounded;
  if (result > f.largest) return saturate ? f.largest | sign : f.infinity(sign);
  if (result == 0) return f.fnuz ? 0 : sign;
  return static_cast<std::uint32_t>(result) | sign;
}

}  // namespace dsmm::inline DSMM_ABI
