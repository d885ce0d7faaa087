// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI {

/// Samples per second as a fraction, so that every conversion between time and index is exact in int64: after a year at
/// 20 kHz a double would be off by samples.
struct sample_rate {
  std::int32_t numerator = 1;
  std::int32_t denominator = 1;

  /// Positive, and small enough that nothing below overflows.
  constexpr bool valid() const noexcept {
    return numerator > 0 && denominator > 0 && std::int64_t{numerator} * denominator <= 8'000'000'000;
  }
  constexpr double hz() const noexcept { return static_cast<double>(numerator) / denominator; }
  friend constexpr bool operator==(const sample_rate&, const sample_rate&) = default;

  /// Time of sample `count`, rounded down to the nanosecond.
  constexpr std::chrono::nanoseconds duration(std::int64_t count) const noexcept {
    const auto [whole, rest] = divide(count, numerator);
    return std::chrono::nanoseconds(whole * cycle() + floor_divide(rest * cycle(), numerator));
  }
  /// The last sample whose time, rounded down as above, is at or before `time`.
  constexpr std::int64_t last_at(std::chrono::nanoseconds time) const noexcept {
    const auto [whole, rest] = divide(time.count() + 1, cycle());
    return whole * numerator + floor_divide(rest * numerator - 1, cycle());
  }
  /// The sample whose time is nearest.
  constexpr std::int64_t nearest(std::chrono::nanoseconds time) const noexcept {
    const auto [whole, rest] = divide(time.count(), cycle());
    return whole * numerator + floor_divide(rest * numerator + cycle() / 2, cycle());
  }

private:
  struct quotient {
    std::int64_t whole, rest;  ///< 0 <= rest < divisor
  };
  /// Nanoseconds in which exactly `numerator` samples lie.
  constexpr std::int64_t cycle() const noexcept { return std::int64_t{denominator} * 1'000'000'000; }
  static constexpr std::int64_t floor_divide(std::int64_t a, std::int64_t b) noexcept {
    return a / b - (a % b < 0 ? 1 : 0);
  }
  static constexpr quotient divide(std::int64_t a, std::int64_t b) noexcept {
    const std::int64_t whole = floor_divide(a, b);
    return {whole, a - whole * b};
  }
};

}  // namespace dsmm::inline DSMM_ABI
