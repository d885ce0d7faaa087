// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/model/format.hpp"

namespace dsmm::inline DSMM_ABI {

/// Which level of a model to run so that a deadline holds: the largest whose time, as measured, fits the budget.
///
/// Each level has the worst of its first `calm` times as its own (of 100 runs: about its p99); what the machine does
/// beside is seen in the ratio of later times to it, the worst of the last `window` runs of any level. So a level that
/// has not run for long is still judged by today's load, and comes back when the load ends.
/// A pure function of the times that it was told: a replay of the times gives the same levels. Allocates nothing.
class level_choice {
public:
  static constexpr std::uint32_t window = 32;

  /// levels  1 to 16. calm  runs of each level that are taken as its time.
  explicit level_choice(std::uint32_t levels, std::uint32_t calm = 100) noexcept
      : levels_(std::clamp<std::uint32_t>(levels, 1, format::max_levels + 1)), calm_(std::max<std::uint32_t>(calm, 1)) {
    ratios_.fill(1.0);
  }

  /// Tells what a run of a level took: at setup `calm` times for each level, then after every run.
  void record(std::uint32_t level, std::chrono::nanoseconds time) noexcept {
    if (level >= levels_) return;
    entry& e = entries_[level];
    if (e.runs < calm_) {
      ++e.runs;
      e.worst = std::max(e.worst, time);
      return;
    }
    if (e.worst.count() <= 0) return;
    ratios_[next_] = static_cast<double>(time.count()) / static_cast<double>(e.worst.count());
    next_ = (next_ + 1) % window;
  }

  /// What a level takes now: its own time under the present load. Zero as long as nothing was recorded for it.
  std::chrono::nanoseconds expected(std::uint32_t level) const noexcept {
    const double load = std::max(1.0, *std::max_element(ratios_.begin(), ratios_.end()));
    const auto worst = static_cast<double>(entries_[level].worst.count());
    return std::chrono::nanoseconds(static_cast<std::int64_t>(worst * load));
  }

  /// The first, i.e. largest, level that fits; the smallest if none does, and then `fits` is false: run it, but expect
  /// to be late. A level that was never measured is not chosen.
  struct choice {
    std::uint32_t level = 0;
    bool fits = false;
  };
  choice choose(std::chrono::nanoseconds budget) const noexcept {
    for (std::uint32_t k = 0; k < levels_; ++k)
      if (entries_[k].runs != 0 && expected(k) <= budget) return {k, true};
    return {levels_ - 1, false};
  }

private:
  struct entry {
    std::chrono::nanoseconds worst{};
    std::uint32_t runs = 0;
  };
  std::uint32_t levels_, calm_;
  std::array<entry, format::max_levels + 1> entries_{};
  std::array<double, window> ratios_{};
  std::uint32_t next_ = 0;
};

}  // namespace dsmm::inline DSMM_ABI
