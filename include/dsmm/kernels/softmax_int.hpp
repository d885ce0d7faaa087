// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "dsmm/config.hpp"
#include "dsmm/core/quant.hpp"

namespace dsmm::inline DSMM_ABI::kernels {

namespace softmax_int_impl {

/// round(2^16 * 2^-(i / 256)), from 2^(1/256) by double steps: 1e-13 of error, the nearest tie is 1e-3 away.
inline constexpr auto exp2_table = [] {
  std::array<std::uint32_t, 256> table{};
  constexpr double root = 1.002711275050202485430745;  // 2^(1/256)
  double value = 0x1p16;
  for (std::uint32_t& entry : table) {
    entry = static_cast<std::uint32_t>(value + 0.5);
    value /= root;
  }
  return table;
}();

}  // namespace softmax_int_impl

/// 2^-(t / 256) in Q16, truncated after the table: 65536 for t = 0, 0 from t = 17 * 256 on. t >= 0.
/// Relative error of the value before truncation below 2^-16.
constexpr std::uint32_t exp2_q16(std::int32_t t) noexcept {
  const std::int32_t octaves = t >> 8;
  return octaves > 16 ? 0 : softmax_int_impl::exp2_table[static_cast<std::size_t>(t & 255)] >> octaves;
}

/// Bits of a probability: p sums to about 2^14, so p * (v - zero_point) is a product of two s16.
inline constexpr int probability_bits = 14;

/// F(16 * octaves_per_step): octaves_per_step is how many factors of two one step of a score is worth, that is
/// score scale * log2(e), in [2^-36, 2^-4). False outside.
constexpr bool make_softmax_factor(double octaves_per_step, fixed_point& out) noexcept {
  return make_fixed_point(16.0 * octaves_per_step, out);
}

/// p[j] = softmax of n integer scores in Q14, 1 <= n <= 2^16, exact integers throughout:
///   t[j] = rq(16 * min(max s - s[j], 2^26 - 1), factor)    e[j] = exp2_q16(t[j])
///   p[j] = (e[j] * floor(2^46 / sum e) + 2^31) >> 32       0 <= p[j] <= 2^14
/// |sum p - 2^14| <= n / 2 + 1. Any s32 is a valid score. scores are overwritten.
inline void softmax_q14(std::int32_t* scores, std::int32_t n, fixed_point factor, std::int16_t* p) noexcept {
  std::int32_t top = std::numeric_limits<std::int32_t>::min();
  for (std::int32_t j = 0; j < n; ++j) top = std::max(top, scores[j]);
  std::uint64_t sum = 0;
  for (std::int32_t j = 0; j < n; ++j) {
    const std::int64_t below = std::min<std::int64_t>(std::int64_t{top} - scores[j], (1 << 26) - 1);
    const std::uint32_t e = exp2_q16(requantize(static_cast<std::int32_t>(below * 16), factor));
    scores[j] = static_cast<std::int32_t>(e);
    sum += e;
  }
  const std::uint64_t inverse = (std::uint64_t{1} << 46) / sum;
  for (std::int32_t j = 0; j < n; ++j) {
    const std::uint64_t scaled = static_cast<std::uint64_t>(scores[j]) * inverse;
    p[j] = static_cast<std::int16_t>((scaled + (std::uint64_t{1} << 31)) >> 32);
  }
}

}  // namespace dsmm::inline DSMM_ABI::kernels
