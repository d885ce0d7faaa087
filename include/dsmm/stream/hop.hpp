// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "dsmm/config.hpp"
#include "dsmm/core/fixed_array.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/stream/sensor_span.hpp"

namespace dsmm::inline DSMM_ABI {

/// What one span brought.
struct hop_report {
  std::size_t hops = 0;      ///< whole hops handed over
  std::int64_t skipped = 0;  ///< samples never handed over, as no span held them: carried state must start anew
};

/// Cuts a sensor's spans into hops of a fixed length that begin at multiples of that length on the absolute index, each
/// sample exactly once, however the spans overlap. A hop that is not whole yet is kept until the next span.
class hop_cutter {
public:
  hop_cutter() noexcept = default;

  /// hop and channels > 0. Errors: bad_value, too_large. The only allocation.
  static result<hop_cutter> make(std::uint32_t hop, std::uint32_t channels) noexcept {
    if (hop == 0 || channels == 0) return failure{errc::bad_value, "hop_cutter: hop and channels must be above 0"};
    hop_cutter cutter;
    cutter.hop_ = hop;
    cutter.channels_ = channels;
    cutter.partial_ = fixed_array<float>(std::size_t{hop} * channels);
    if (!cutter.partial_.valid()) return failure{errc::too_large, "hop_cutter: not enough memory"};
    return cutter;
  }

  /// Samples below this index were handed over or skipped; those of an unfinished hop are not handed over yet.
  std::int64_t next() const noexcept { return next_; }

  /// Calls f(first index, samples (hop, channels)) for each hop that is whole now; samples are valid during the call.
  /// span.channels must be the cutter's. Costs O(new samples), whatever the window is.
  template <class F>
  hop_report consume(const sensor_span& span, F&& f) noexcept(noexcept(f(std::int64_t{}, span.samples))) {
    hop_report report;
    const std::int64_t end = span.first_index + static_cast<std::int64_t>(span.count);
    if (span.count == 0 || span.channels != channels_ || end <= next_) return report;
    if (span.first_index > next_) report.skipped = skip_to(span.first_index);
    while (next_ < end) {
      const float* const from = span.samples + (next_ - span.first_index) * channels_;
      const std::int64_t in_hop = next_ % hop_;
      const std::int64_t take = std::min(hop_ - in_hop, end - next_);
      next_ += take;
      if (take == hop_) {
        f(next_ - hop_, from);
        ++report.hops;
        continue;
      }
      std::copy_n(from, take * channels_, partial_.data() + in_hop * channels_);
      if (next_ % hop_ != 0) break;
      f(next_ - hop_, static_cast<const float*>(partial_.data()));
      ++report.hops;
    }
    return report;
  }

private:
  /// Begins at the first whole hop from `index` on.
  std::int64_t skip_to(std::int64_t index) noexcept {
    const std::int64_t start = (index + hop_ - 1) / hop_ * hop_;
    const std::int64_t lost = started_ ? start - next_ / hop_ * hop_ : 0;
    started_ = true;
    next_ = start;
    return lost;
  }

  fixed_array<float> partial_;
  std::int64_t hop_ = 1;
  std::int64_t channels_ = 1;
  std::int64_t next_ = -1;
  bool started_ = false;
};

}  // namespace dsmm::inline DSMM_ABI
