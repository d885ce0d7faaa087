// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI {

/// Per-tensor affine quantization of u8 activations: real = scale * (q - zero_point).
struct quantization {
  float scale = 1.0f;
  std::int32_t zero_point = 0;
  friend constexpr bool operator==(const quantization&, const quantization&) = default;
};

/// A real factor in (0, 1) as multiplier * 2^-shift, multiplier in [2^30, 2^31), 31 <= shift <= 62.
struct fixed_point {
  std::int32_t multiplier = 1 << 30;
  std::int32_t shift = 31;
};

/// The nearest fixed_point to a real factor in [2^-32, 1); false outside that range.
/// Uses IEEE double steps only, so every machine derives the same integers from the same file.
constexpr bool make_fixed_point(double real, fixed_point& out) noexcept {
  if (!(real >= 0x1p-32) || !(real < 1.0)) return false;
  int shift = 31;
  double m = real;
  for (; m < 0.5; m *= 2.0) ++shift;  // m in [0.5, 1)
  auto q = static_cast<std::int64_t>(m * 0x1p31 + 0.5);
  if (q == std::int64_t{1} << 31) {
    q >>= 1;
    --shift;
  }
  if (shift < 31) {  // rounded up to 1.0: the largest representable factor instead
    q = (std::int64_t{1} << 31) - 1;
    shift = 31;
  }
  out.multiplier = static_cast<std::int32_t>(q);
  out.shift = shift;
  return true;
}

/// The one rounding rule: value * multiplier * 2^-shift, one rounding, ties towards +infinity.
/// The product of two s32 fits s64; the factor is below 1, so the result fits s32. Right shift of a negative s64 is
/// arithmetic in C++20.
constexpr std::int32_t requantize(std::int32_t value, fixed_point factor) noexcept {
  const std::int64_t product = std::int64_t{value} * factor.multiplier;
  return static_cast<std::int32_t>((product + (std::int64_t{1} << (factor.shift - 1))) >> factor.shift);
}

constexpr std::uint8_t clamp_u8(std::int64_t value, std::int32_t low = 0, std::int32_t high = 255) noexcept {
  return static_cast<std::uint8_t>(value < low ? low : value > high ? high : value);
}

/// Bytes of an I4S weight of `rows` output channels and `depth` values per channel: nibbles (low first, each row padded
/// to a byte), then one integer scale 1..16 per row and group. group 0: no scales are stored, all are 16.
constexpr std::size_t i4s_bytes(std::size_t rows, std::size_t depth, std::size_t group) noexcept {
  return rows * ((depth + 1) / 2) + (group == 0 ? 0 : rows * ((depth + group - 1) / group));
}

}  // namespace dsmm::inline DSMM_ABI
