// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstdint>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI {

/// Where the time comes from. Everything that waits, ages or measures takes its clock as a parameter, so that a test
/// drives hours in milliseconds and the same run twice takes the same decisions.
template <class C>
concept clock_policy = requires(const C& clock) {
  { clock.now() }
  noexcept->std::same_as<std::chrono::nanoseconds>;
};

/// The machine's monotonic clock.
struct steady_clock {
  std::chrono::nanoseconds now() const noexcept {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch());
  }
};

/// A clock that moves only when told to. Any thread may read and move it.
class manual_clock {
public:
  manual_clock() noexcept = default;
  explicit manual_clock(std::chrono::nanoseconds start) noexcept : time_(start.count()) {}
  std::chrono::nanoseconds now() const noexcept { return std::chrono::nanoseconds(time_.load()); }
  void advance(std::chrono::nanoseconds by) noexcept { time_.fetch_add(by.count()); }
  void set(std::chrono::nanoseconds time) noexcept { time_.store(time.count()); }

private:
  std::atomic<std::int64_t> time_{0};
};

static_assert(clock_policy<steady_clock> && clock_policy<manual_clock>);

}  // namespace dsmm::inline DSMM_ABI
