// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/quant.hpp"
#include "dsmm/kernels/math.hpp"
#include "dsmm/kernels/quantize.hpp"

namespace dsmm::inline DSMM_ABI::kernels {

/// How a quantized model rounds the scores of an attention and their softmax: each to 256 levels of its own.
struct softmax_levels {
  fixed_point score;                     ///< F(step of a sum of products / step of a level of scores)
  std::int32_t zero_score = 0;           ///< 0 .. 255
  const std::int32_t* powers = nullptr;  ///< (256), softmax_powers() of the step of a level; null: nothing is rounded
  double step = 1.0 / 255.0;             ///< of a probability, at least 2^-16
  std::int32_t zero = 0;                 ///< level of probability 0
};

/// round(65535 * exp(-d * step)) for d from 0 to 255: what a score d levels below the largest weighs.
inline std::array<std::int32_t, 256> softmax_powers(float step) noexcept {
  std::array<std::int32_t, 256> powers{};
  for (std::size_t d = 0; d < 256; ++d)
    powers[d] = static_cast<std::int32_t>(65535.0f * exp(-step * static_cast<float>(d)) + 0.5f);
  return powers;
}

/// The factor of the weights of a row that sum to `sum`.
inline float softmax_levels_factor(std::int64_t sum, double step) noexcept {
  return static_cast<float>(1.0 / (static_cast<double>(sum) * step));
}

/// p[j] = level of the softmax of n rounded scores, less the level of 0; 1 <= n <= 2^15, so that sums fit s32:
///   l[j] = clamp(zero_score + rq(s[j] + offset, score))    e[j] = powers[max l - l[j]]
///   p[j] = clamp(zero + round_even(float(e[j]) * softmax_levels_factor(sum e, step))) - zero
/// scores are overwritten.
inline void softmax_rounded(std::int32_t* scores, std::int32_t n, std::int32_t offset, const softmax_levels& f,
                            std::int16_t* p) noexcept {
  std::int32_t top = 0;
  for (std::int32_t j = 0; j < n; ++j) {
    scores[j] = clamp_u8(std::int64_t{f.zero_score} + requantize(scores[j] + offset, f.score));
    top = std::max(top, scores[j]);
  }
  std::int64_t sum = 0;
  for (std::int32_t j = 0; j < n; ++j) sum += scores[j] = f.powers[top - scores[j]];
  const float factor = softmax_levels_factor(sum, f.step);
  for (std::int32_t j = 0; j < n; ++j) {
    const auto level = static_cast<std::int32_t>(round_to_u8(static_cast<float>(scores[j]) * factor, 0));
    p[j] = static_cast<std::int16_t>(std::min(level + f.zero, 255) - f.zero);
  }
}

}  // namespace dsmm::inline DSMM_ABI::kernels
