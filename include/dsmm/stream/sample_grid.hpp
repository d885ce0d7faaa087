// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/stream/sample_rate.hpp"

namespace dsmm::inline DSMM_ABI {

/// Maps the running time of a stream to sample indices and back: index(t) = first + rate * (t - anchor).
///
/// A sensor's crystal is off by tens or hundreds of ppm and stamps jitter, while its samples stay evenly spaced. Chunks
/// that follow each other within the tolerance are therefore contiguous whatever their stamps say, and the anchor
/// follows the stamps with a time constant of 20 ms: at 500 ppm it trails by 10 us. int64 nanoseconds throughout.
class sample_grid {
public:
  static constexpr std::chrono::nanoseconds time_constant = std::chrono::milliseconds(20);

  sample_grid() noexcept = default;
  /// Stamps may be off by `jitter`, or by half a chunk if that is less, before samples count as missing; half a sample
  /// is always forgiven.
  sample_grid(sample_rate rate, std::chrono::nanoseconds jitter) noexcept : rate_(rate), jitter_(jitter) {}

  /// From here on, sample `first` lies at `stamp`.
  void start(std::int64_t first, std::chrono::nanoseconds stamp) noexcept {
    first_ = first;
    anchor_ = stamp;
  }

  std::chrono::nanoseconds time_of(std::int64_t index) const noexcept {
    return anchor_ + rate_.duration(index - first_);
  }
  std::int64_t nearest(std::chrono::nanoseconds time) const noexcept { return first_ + rate_.nearest(time - anchor_); }
  /// The last sample at or before `time`.
  std::int64_t last_at(std::chrono::nanoseconds time) const noexcept { return first_ + rate_.last_at(time - anchor_); }

  /// Index of the first of `count` samples stamped `stamp`.
  /// next  one after the newest sample so far;  hole  the oldest one missing, or `next`;
  /// exact the source reports a discontinuity: only rounding is forgiven.
  std::int64_t place(std::chrono::nanoseconds stamp, std::int64_t count, std::int64_t hole, std::int64_t next,
                     bool exact) noexcept {
    const auto length = rate_.duration(count);
    const auto tolerance =
        exact ? std::chrono::nanoseconds::zero() : std::max(rate_.duration(1) / 2, std::min(jitter_, length / 2));
    const auto near = [&](std::int64_t index) { return std::chrono::abs(stamp - time_of(index)) <= tolerance; };
    const std::int64_t index = near(next) ? next : near(hole) ? hole : nearest(stamp);
    if (index >= next) anchor_ += follow(stamp - time_of(index), length);
    return index;
  }

private:
  static std::chrono::nanoseconds follow(std::chrono::nanoseconds error, std::chrono::nanoseconds length) noexcept {
    return length >= time_constant ? error : error * length.count() / time_constant.count();
  }

  sample_rate rate_{};
  std::chrono::nanoseconds jitter_{};
  std::int64_t first_ = 0;
  std::chrono::nanoseconds anchor_{};
};

}  // namespace dsmm::inline DSMM_ABI
