// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/core/quant.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// What a layer read while it was calibrated, as a histogram over [low, high], and the part of it that its grid holds.
struct seen_activations {
  std::vector<std::uint32_t> bins;  ///< empty: the layer reads no u8 grid
  double low = 0, high = 0, grid_low = 0, grid_high = 0;
};

inline seen_activations histogram_of(std::span<const float> values, quantization grid) {
  constexpr std::size_t bins = 64;
  if (values.empty()) return {};
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  const auto scale = static_cast<double>(grid.scale);
  seen_activations seen{std::vector<std::uint32_t>(bins, 0), static_cast<double>(*low), static_cast<double>(*high),
                        -grid.zero_point * scale, (255 - grid.zero_point) * scale};
  const double width = std::max(seen.high - seen.low, 1e-30) / bins;
  for (const float v : values)
    ++seen.bins[std::min(bins - 1, static_cast<std::size_t>((static_cast<double>(v) - seen.low) / width))];
  return seen;
}

}  // namespace dsmm::inline DSMM_ABI::convert
