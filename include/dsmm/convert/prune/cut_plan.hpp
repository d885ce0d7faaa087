// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/prune/channel_classes.hpp"
#include "dsmm/convert/prune/cut_order.hpp"

namespace dsmm::inline DSMM_ABI::convert::prune {

struct cut_options {
  std::int64_t multiple = 8;  ///< channels that a cut layer keeps are a multiple of this
  double floor = 0.05;        ///< share of its channels that every layer keeps
  bool even = false;          ///< the same share from every family, instead of the cheapest loss per multiply-add
};

/// The one sequence in which a network loses its channels. Every target is a prefix of it, so what a smaller network
/// keeps is a subset of what a larger one keeps.
class cut_plan {
public:
  /// orders  by family, of order_family().
  cut_plan(const channel_classes& classes, std::span<const mixing_layer> layers,
           std::span<const std::vector<cut_step>> orders, const cut_options& options)
      : removed_none_(classes.classes.size(), false) {
    cost_meter meter(classes, layers);
    cost_.push_back(meter.total());
    std::vector<std::size_t> gone(orders.size(), 0);
    while (true) {
      std::size_t best = orders.size(), best_count = 0;
      double best_score = 0;
      for (std::size_t f = 0; f < orders.size(); ++f) {
        const std::size_t n = step_of(classes.families[f], orders[f].size(), gone[f], options);
        if (n == 0) continue;
        double loss = 0;
        for (std::size_t i = 0; i < n; ++i) loss += orders[f][gone[f] + i].loss;
        double score = static_cast<double>(gone[f]) / static_cast<double>(orders[f].size());
        if (!options.even) {
          for (std::size_t i = 0; i < n; ++i) meter.remove(orders[f][gone[f] + i].cls);
          score = (loss + 1e-12) / std::max(1.0, static_cast<double>(cost_.back() - meter.total()));
          for (std::size_t i = 0; i < n; ++i) meter.restore(orders[f][gone[f] + i].cls);
        }
        if (best == orders.size() || score < best_score) best = f, best_count = n, best_score = score;
      }
      if (best == orders.size()) break;
      for (std::size_t i = 0; i < best_count; ++i) {
        const cut_step& s = orders[best][gone[best] + i];
        meter.remove(s.cls);
        sequence_.push_back(s.cls);
      }
      gone[best] += best_count;
      ends_.push_back(sequence_.size());
      cost_.push_back(meter.total());
    }
  }

  std::int64_t full_cost() const noexcept { return cost_.front(); }
  std::int64_t least_cost() const noexcept { return cost_.back(); }

  /// By class: whether it goes, so that at most `keep` of the multiply-adds stay, or as few as the floors allow.
  std::vector<bool> removed(double keep) const {
    std::vector<bool> out = removed_none_;
    std::size_t steps = 0;
    while (steps < ends_.size() && static_cast<double>(cost_[steps]) > keep * static_cast<double>(cost_.front()))
      ++steps;
    for (std::size_t i = 0; steps != 0 && i < ends_[steps - 1]; ++i) out[sequence_[i]] = true;
    return out;
  }

private:
  /// Classes that go next, so that a multiple is left; 0 at the floor.
  static std::size_t step_of(const channel_family& family, std::size_t all, std::size_t gone,
                             const cut_options& options) {
    const auto step = static_cast<std::size_t>(options.multiple / std::gcd(options.multiple, family.channels));
    const std::size_t left = all - gone, n = left % step == 0 ? step : left % step;
    const auto least = std::max<std::size_t>(step, static_cast<std::size_t>(options.floor * static_cast<double>(all)));
    return left < n + least ? 0 : n;
  }

  std::vector<bool> removed_none_;
  std::vector<std::size_t> sequence_, ends_;
  std::vector<std::int64_t> cost_;
};

}  // namespace dsmm::inline DSMM_ABI::convert::prune
