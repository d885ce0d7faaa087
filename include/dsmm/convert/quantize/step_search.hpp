// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI::convert::quantize_impl {

/// Integer group scales and the channel's scale for one row of weights, weighed by the power of each column.
class step_search {
public:
  step_search(std::span<const double> w, std::span<const double> power, std::size_t group)
      : w_(w), power_(power), group_(group == 0 ? w.size() : group), per_channel_(group == 0) {}

  /// Returns the scale; `steps` get 1..16.
  float run(std::span<std::uint8_t> steps) const {
    std::vector<double> ideal(steps.size());
    double top = 0;
    for (std::size_t g = 0; g < steps.size(); ++g) top = std::max(top, ideal[g] = best_step(g));
    if (top <= 0) {
      std::fill(steps.begin(), steps.end(), std::uint8_t{16});
      return 0.0f;
    }
    double least = std::numeric_limits<double>::max();
    float chosen = 0;
    std::vector<std::uint8_t> tried(steps.size());
    for (std::int32_t high = 16; high >= (per_channel_ ? 16 : 10); --high) {
      const auto scale = static_cast<float>(top / high);
      double total = 0;
      for (std::size_t g = 0; g < steps.size(); ++g) {
        const auto near = static_cast<std::int32_t>(std::lround(ideal[g] / static_cast<double>(scale)));
        double best = std::numeric_limits<double>::max();
        for (std::int32_t s = std::max(1, near - 1); s <= std::min(16, near + 1) || s == 1; ++s) {
          if (per_channel_) s = 16;
          const double e = error(g, static_cast<double>(scale) * s);
          if (e < best) best = e, tried[g] = static_cast<std::uint8_t>(s);
        }
        total += best;
      }
      if (total < least) {
        least = total;
        chosen = scale;
        std::copy(tried.begin(), tried.end(), steps.begin());
      }
    }
    return chosen;
  }

private:
  double error(std::size_t g, double step) const {
    double sum = 0;
    for (std::size_t k = g * group_, end = std::min(k + group_, w_.size()); k < end; ++k) {
      const double w = w_[k];
      const double e = std::clamp(std::nearbyint(w / step), -8.0, 7.0) * step - w;
      sum += e * e * power_[k];
    }
    return sum;
  }
  double best_step(std::size_t g) const {
    double top = 0;
    for (std::size_t k = g * group_, end = std::min(k + group_, w_.size()); k < end; ++k)
      top = std::max(top, std::abs(w_[k]));
    if (top <= 0) return 0;
    double best = top / 7, least = std::numeric_limits<double>::max();
    for (const double r : {1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55})
      if (const double e = error(g, top * r / 7); e < least) least = e, best = top * r / 7;
    return best;
  }

  std::span<const double> w_;
  std::span<const double> power_;
  std::size_t group_;
  bool per_channel_;
};

}  // namespace dsmm::inline DSMM_ABI::convert::quantize_impl
