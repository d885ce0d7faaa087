// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <span>
#include <vector>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// Which four-bit layers stay at 8 bits because they are small: those of fewest weights, as long as the bytes that this
/// adds are at most `share` of all layers' bytes. Four bits disturb a small layer's output as much as a large one's, or
/// more, with fewer columns to make up for an error, and save few bytes.
///
/// sizes   weights by layer; 0: the layer has 8 bits anyway.
/// bytes   of all layers' weights, with these at 4 bits.
inline std::vector<bool> small_layers(std::span<const std::size_t> sizes, std::size_t bytes, double share) {
  std::vector<std::size_t> order(sizes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return sizes[a] < sizes[b]; });
  std::vector<bool> small(sizes.size(), false);
  const double most = share * static_cast<double>(bytes);
  std::size_t added = 0;
  for (const std::size_t i : order) {
    if (static_cast<double>(added + sizes[i] / 2) > most) break;
    added += sizes[i] / 2;
    small[i] = sizes[i] != 0;
  }
  return small;
}

}  // namespace dsmm::inline DSMM_ABI::convert
