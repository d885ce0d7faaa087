// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/inspect/inspection.hpp"

namespace dsmm::inline DSMM_ABI::gst {

/// Counts durations in buckets that are 1/16 of an octave wide: any percentile of any number of frames, at most 6 % too
/// high and never too low, in 7 KB and without allocation.
class latency_histogram {
public:
  void add(std::chrono::nanoseconds duration) noexcept {
    const auto ns = static_cast<std::uint64_t>(std::max<std::int64_t>(duration.count(), 0));
    ++buckets_[bucket(ns)];
    ++count_;
    max_ = std::max(max_, ns);
  }

  std::uint64_t count() const noexcept { return count_; }
  std::chrono::nanoseconds max() const noexcept { return nanoseconds(max_); }

  /// The duration that `per_cent` of the frames did not exceed; 0 before the first frame.
  std::chrono::nanoseconds percentile(std::uint32_t per_cent) const noexcept {
    const std::uint64_t wanted = (count_ * per_cent + 99) / 100;
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      seen += buckets_[i];
      if (seen >= wanted && seen != 0) return nanoseconds(std::min(top(i), max_));
    }
    return {};
  }

private:
  static constexpr std::uint32_t fine = 16, octaves = 60;

  static std::size_t bucket(std::uint64_t ns) noexcept {
    if (ns < fine) return static_cast<std::size_t>(ns);
    const auto octave = static_cast<std::uint32_t>(std::bit_width(ns)) - 5;  // ns >> octave lies in [16, 32)
    return octave * fine + static_cast<std::size_t>(ns >> octave);
  }
  /// Largest duration of a bucket.
  static std::uint64_t top(std::size_t i) noexcept {
    if (i < 2 * fine) return i;
    const std::size_t octave = i / fine - 1;
    return ((static_cast<std::uint64_t>(i % fine + fine) + 1) << octave) - 1;
  }
  static std::chrono::nanoseconds nanoseconds(std::uint64_t ns) noexcept {
    return std::chrono::nanoseconds(static_cast<std::int64_t>(ns));
  }

  std::array<std::uint64_t, (octaves + 1) * fine> buckets_{};
  std::uint64_t count_ = 0, max_ = 0;
};

/// What one run of a pipeline has seen.
struct infer_stats {
  std::uint64_t frames = 0, pass = 0, fail = 0, unknown = 0;
  std::uint64_t damaged = 0;  ///< of the unknown ones: frames that could not be read
  std::uint64_t late = 0;     ///< of the unknown ones: finished after the deadline
  std::uint64_t swaps = 0;    ///< models exchanged while running
  std::uint64_t reduced = 0;  ///< judged by a smaller level, for want of time
  latency_histogram latency;  ///< arrival to decision
  latency_histogram busy;     ///< the inspection itself

  void add(verdict v, reason why, std::uint32_t level) noexcept {
    ++frames;
    reduced += level != 0;
    ++(v == verdict::pass ? pass : v == verdict::fail ? fail : unknown);
    damaged += why == reason::integrity;
    late += why == reason::deadline;
  }
};

}  // namespace dsmm::inline DSMM_ABI::gst
