// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI::convert::prune {

/// Labels of channels, merged as it turns out which channels can only be cut together (union-find).
class label_sets {
public:
  static constexpr std::uint32_t fixed = 0;  ///< the label of everything that must stay

  /// `n` new labels, each a set of its own.
  std::vector<std::uint32_t> fresh(std::size_t n) {
    std::vector<std::uint32_t> out(n);
    for (std::uint32_t& l : out) {
      l = static_cast<std::uint32_t>(parent_.size());
      parent_.push_back(l);
    }
    return out;
  }

  std::uint32_t find(std::uint32_t l) const noexcept {
    while (parent_[l] != l) l = parent_[l];
    return l;
  }
  bool is_fixed(std::uint32_t l) const noexcept { return find(l) == fixed; }

  void unite(std::uint32_t a, std::uint32_t b) noexcept {
    a = root(a), b = root(b);
    if (a != b) parent_[a > b ? a : b] = a > b ? b : a;  // the smallest wins, so fixed stays the root of its set
  }
  void unite(std::span<const std::uint32_t> a, std::span<const std::uint32_t> b) noexcept {
    for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) unite(a[i], b[i]);
  }
  void fix(std::span<const std::uint32_t> labels) noexcept {
    for (const std::uint32_t l : labels) unite(l, fixed);
  }
  std::size_t size() const noexcept { return parent_.size(); }

private:
  std::uint32_t root(std::uint32_t l) noexcept {
    while (parent_[l] != l) l = parent_[l] = parent_[parent_[l]];
    return l;
  }

  std::vector<std::uint32_t> parent_{fixed};
};

/// The axis of a value along which channels can be cut, and the label of each of its entries. axis < 0: none.
struct channel_axis {
  std::int32_t axis = -1;
  std::vector<std::uint32_t> labels{};

  explicit operator bool() const noexcept { return axis >= 0; }
};

}  // namespace dsmm::inline DSMM_ABI::convert::prune
