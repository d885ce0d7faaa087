// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI::tools {

/// Value below or at which `share` (0..1) of the sorted values lie (nearest rank); values must not be empty.
inline double percentile(const std::vector<double>& sorted, double share) {
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  return sorted[std::min(sorted.size() - 1, rank == 0 ? 0 : rank - 1)];
}

/// What is reported of many timings.
struct percentiles {
  double p50 = 0, p90 = 0, p99 = 0, p999 = 0, max = 0;

  static percentiles of(std::vector<double> values) {
    if (values.empty()) return {};
    std::sort(values.begin(), values.end());
    return {percentile(values, 0.5), percentile(values, 0.9), percentile(values, 0.99), percentile(values, 0.999),
            values.back()};
  }
};

}  // namespace dsmm::inline DSMM_ABI::tools
