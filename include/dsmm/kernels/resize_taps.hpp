// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/tensor.hpp"

/// Which elements a resampled one comes from. Positions are ratios of integers, so none depends on rounding; extents up
/// to 2^20.
namespace dsmm::inline DSMM_ABI::kernels {

namespace resize_impl {

/// Columns whose taps are kept on the stack at a time.
inline constexpr std::int32_t block = 64;

/// Two neighbours along one axis and the weight of the second.
template <class Weight>
struct tap {
  std::int32_t low, high;
  Weight weight;
};

constexpr std::int32_t nearest(std::int32_t o, std::int32_t in, std::int32_t out) noexcept {
  return static_cast<std::int32_t>((2 * std::int64_t{o} + 1) * in / (2 * std::int64_t{out}));
}

/// Weight in steps of 2^-11.
constexpr tap<std::int32_t> tap_u8(std::int32_t o, std::int32_t in, std::int32_t out) noexcept {
  const std::int64_t rounded = ((2 * std::int64_t{o} + 1) * in * 2048 + out) / (2 * std::int64_t{out}) - 1024;
  const std::int64_t p = std::clamp<std::int64_t>(rounded, 0, (std::int64_t{in} - 1) * 2048);
  const auto low = static_cast<std::int32_t>(p >> 11);
  return {low, std::min(low + 1, in - 1), static_cast<std::int32_t>(p & 2047)};
}

constexpr tap<float> tap_f32(std::int32_t o, std::int32_t in, std::int32_t out) noexcept {
  const std::int64_t p = std::max<std::int64_t>((2 * std::int64_t{o} + 1) * in - out, 0), unit = 2 * std::int64_t{out};
  const auto low = static_cast<std::int32_t>(p / unit);
  if (low >= in - 1) return {in - 1, in - 1, 0.0f};
  return {low, low + 1, static_cast<float>(p % unit) / static_cast<float>(unit)};
}

/// f(oy, ox, tap along H, tap along W) for the rows, taps of a block of columns made once.
template <class Weight, class Make, class F>
[[gnu::always_inline]] inline void for_taps(extents x, extents y, std::int32_t y_begin, std::int32_t y_end,
                                            const Make& make, const F& f) noexcept {
  std::array<tap<Weight>, block> columns;
  for (std::int32_t first = 0; first < y.w; first += block) {
    const std::int32_t count = std::min(block, y.w - first);
    for (std::int32_t i = 0; i < count; ++i) columns[static_cast<std::size_t>(i)] = make(first + i, x.w, y.w);
    for (std::int32_t oy = y_begin; oy < y_end; ++oy) {
      const tap<Weight> row = make(oy, x.h, y.h);
      for (std::int32_t i = 0; i < count; ++i) f(oy, first + i, row, columns[static_cast<std::size_t>(i)]);
    }
  }
}

}  // namespace resize_impl

}  // namespace dsmm::inline DSMM_ABI::kernels
