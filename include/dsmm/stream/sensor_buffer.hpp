// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "dsmm/config.hpp"
#include "dsmm/core/fixed_array.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/stream/ring.hpp"
#include "dsmm/stream/sample_grid.hpp"
#include "dsmm/stream/sensor.hpp"

namespace dsmm::inline DSMM_ABI {

/// What happened to a sensor's samples so far; samples per channel, except where it says otherwise.
struct sensor_counts {
  std::uint64_t placed = 0;    ///< real samples on the grid
  std::uint64_t filled = 0;    ///< missing ones that hold the last value
  std::uint64_t dropped = 0;   ///< duplicates, and samples that came after their place was settled
  std::uint64_t invalid = 0;   ///< NaN or infinite in at least one channel
  std::uint64_t rejected = 0;  ///< chunks whose stamp jumped and was not confirmed
  std::uint64_t restarts = 0;  ///< times the stamps started anew
};

/// Part of a stream: samples [first, first + count).
struct sensor_window {
  std::int64_t first = 0;
  std::size_t count = 0;
  const float* samples = nullptr;                  ///< (count, channels); valid until the next place()
  std::uint64_t filled = 0;                        ///< of these, how many hold an earlier value
  std::uint64_t invalid = 0;                       ///< of these, how many had a NaN or infinity
  bool cut = false;                                ///< older samples were asked for, existed, and are gone
  std::optional<std::chrono::nanoseconds> newest;  ///< time of the newest real sample before the window's end
};

/// Puts the timestamped chunks of one sensor on its sample grid. What is at an index never changes once it is settled,
/// so a consumer may take each sample once; the result depends on the chunks and their order alone, not on when frames
/// were joined. Chunks may come out of order by up to `reorder`; a hole that stays open longer is filled with the last
/// value. The first sample for an index wins.
///
/// One thread at a time. Nothing allocates after make().
class sensor_buffer {
public:
  /// history  how far back windows reach, from the newest sample;  first_index  index of the first sample.
  /// Errors: bad_value (rate or channels out of range), too_large (no memory for that history).
  static result<sensor_buffer> make(sensor_description description, std::chrono::nanoseconds history,
                                    std::chrono::nanoseconds reorder = {}, std::int64_t first_index = 0) {
    if (!description.rate.valid() || description.channels == 0 || description.channels > 4096)
      return failure{errc::bad_value, "sensor: rate must be above 0 Hz, channels 1..4096"};
    if (history <= history.zero() || reorder < reorder.zero() || history > largest_history || reorder > history)
      return failure{errc::bad_value, "sensor: history must be above 0 and below 1 h, reorder at most history"};
    sensor_buffer buffer;
    buffer.reorder_ = description.rate.nearest(reorder);
    const std::int64_t rows = description.rate.last_at(history) + 2 * buffer.reorder_ + least_rows;
    auto ring = sample_ring::make(static_cast<std::size_t>(rows), description.channels);
    if (!ring) return ring.error();
    buffer.ring_ = std::move(*ring);
    buffer.slice_ = buffer.ring_.capacity() / 2;
    buffer.notes_ = fixed_array<note>(static_cast<std::size_t>(buffer.ring_.capacity()));
    buffer.held_ = fixed_array<float>(description.channels);
    if (!buffer.notes_.valid() || !buffer.held_.valid()) return failure{errc::too_large, "sensor: not enough memory"};
    buffer.grid_ = sample_grid(description.rate, description.max_jitter);
    buffer.max_gap_ = description.largest_gap();
    buffer.description_ = std::move(description);
    buffer.base_ = buffer.settled_ = buffer.newest_ = first_index;
    return buffer;
  }

  const sensor_description& description() const noexcept { return description_; }
  const sensor_counts& counts() const noexcept { return counts_; }
  bool started() const noexcept { return started_; }
  /// Samples below this index are final.
  std::int64_t settled() const noexcept { return settled_; }
  /// Oldest index that can be read.
  std::int64_t begin() const noexcept { return std::max(base_, newest_ - ring_.capacity()); }
  /// One after the newest sample, settled or not.
  std::int64_t next() const noexcept { return newest_; }
  std::chrono::nanoseconds time_of(std::int64_t index) const noexcept { return grid_.time_of(index); }
  std::int64_t last_at(std::chrono::nanoseconds time) const noexcept { return grid_.last_at(time); }
  /// All samples at or before `time` are final.
  bool covers(std::chrono::nanoseconds time) const noexcept { return started_ && settled_ > grid_.last_at(time); }

  void place(const sensor_chunk& chunk) noexcept {
    const auto count = static_cast<std::int64_t>(chunk.count);
    if (count == 0) return;
    const auto stamp = chunk.stamp == sensor_chunk::no_stamp ? grid_.time_of(newest_) : chunk.stamp;
    if (!believable(stamp, count)) {
      ++counts_.rejected;
      return;
    }
    if (!started_) grid_.start(base_, stamp);
    started_ = true;
    const std::int64_t index = description_.is_regular()
                                   ? grid_.place(stamp, count, settled_, newest_, chunk.discontinuity)
                                   : grid_.nearest(stamp);
    const bool late = index + count <= settled_;
    for (std::int64_t i = 0; i < count; i += slice_)
      place_slice(index + i, chunk.samples + i * channels(), std::min(slice_, count - i));
    if (late && !description_.is_regular()) hold_late(stamp, chunk.samples + (count - 1) * channels());
    last_stamp_ = std::max(last_stamp_, stamp);
  }

  /// The source says that there is nothing up to `end`. An irregular sensor thereby confirms its last value; the
  /// samples of a regular one are missing and count as filled.
  void gap(std::chrono::nanoseconds end) noexcept {
    if (!started_ || end > grid_.time_of(newest_) + max_gap_) return;
    extend(end);
    if (!description_.is_regular() && settled_ > base_) totals_.last_real = settled_ - 1;
  }

  /// Settles everything before `end`: an irregular sensor's value holds until it is told otherwise.
  void extend(std::chrono::nanoseconds end) noexcept {
    if (!started_ || end > grid_.time_of(newest_) + max_gap_) return;
    const std::int64_t to = grid_.last_at(end - std::chrono::nanoseconds(1)) + 1;
    newest_ = std::max(newest_, to);
    settle_to(to);
  }

  /// Forgets the time line, after a seek or a new stream. Indices go on, with a step, so that a consumer notices.
  void restart() noexcept {
    if (!started_) return;
    settle_to(newest_);
    base_ = settled_ = newest_ = newest_ + 1;
    totals_.last_real = none;
    last_stamp_ = sensor_chunk::no_stamp;
    suspect_.reset();
    started_ = false;
    ++counts_.restarts;
  }

  /// At most `count` samples, the last one at or before `time`. Costs the same however long the window is.
  sensor_window window(std::chrono::nanoseconds time, std::int64_t count) const noexcept {
    sensor_window w;
    if (!started_) return w;
    const std::int64_t wanted_end = grid_.last_at(time) + 1;
    const std::int64_t end = std::min(settled_, wanted_end);
    const std::int64_t first = std::max(wanted_end - count, begin());
    w.first = std::min(first, settled_);
    w.cut = wanted_end - count < begin() && begin() > base_;
    const note at_end = before(std::clamp(end, begin(), settled_));
    if (at_end.last_real != none && at_end.last_real < end) w.newest = grid_.time_of(at_end.last_real);
    if (end <= first) return w;
    const note at_first = before(first);
    w.count = static_cast<std::size_t>(end - first);
    w.samples = ring_.view(first);
    w.filled = at_end.filled - at_first.filled;
    w.invalid = at_end.invalid - at_first.invalid;
    return w;
  }

private:
  /// What was counted before an index; differences of two make every window O(1).
  struct note {
    std::uint64_t filled = 0, invalid = 0;
    std::int64_t last_real = none;
    bool present = false;  ///< of the index itself: a sample waits here to be settled
  };
  static constexpr std::int64_t none = -1;
  static constexpr std::int64_t least_rows = 64;
  static constexpr std::chrono::nanoseconds largest_history = std::chrono::hours(1);
  static constexpr std::chrono::nanoseconds largest_stamp{std::int64_t{1} << 61};

  std::ptrdiff_t channels() const noexcept { return static_cast<std::ptrdiff_t>(ring_.width()); }
  note& at(std::int64_t index) noexcept { return notes_[static_cast<std::size_t>(index & (ring_.capacity() - 1))]; }
  note before(std::int64_t index) const noexcept {
    return index == settled_ ? totals_ : notes_[static_cast<std::size_t>(index & (ring_.capacity() - 1))];
  }

  /// One wild stamp must not end the stream: a jump above max_gap counts only if the next chunk continues it.
  bool believable(std::chrono::nanoseconds stamp, std::int64_t count) noexcept {
    if (stamp > largest_stamp || stamp < -largest_stamp) return false;
    const auto jump = started_ ? stamp - grid_.time_of(newest_) : std::chrono::nanoseconds::zero();
    const bool confirmed = suspect_ && std::chrono::abs(stamp - *suspect_) <= max_gap_;
    suspect_.reset();
    if (jump <= max_gap_ && -jump <= max_gap_) return true;
    if (!confirmed) {
      suspect_ = stamp + description_.rate.duration(count);
      return false;
    }
    if (jump < jump.zero()) restart();
    return true;
  }

  void place_slice(std::int64_t index, const float* samples, std::int64_t count) noexcept {
    const std::int64_t end = index + count;
    newest_ = std::max(newest_, end);
    settle_to(std::min(index, newest_ - reorder_));
    for (std::int64_t i = index; i < end; ++i, samples += channels()) {
      if (i < settled_ || at(i).present) {
        ++counts_.dropped;
        continue;
      }
      std::copy_n(samples, channels(), ring_.row(i));
      at(i).present = true;
      if (i == settled_) settle_one();
    }
    settle_to(newest_ - reorder_);
    settle_present();
  }

  /// A record whose cell is already settled still is the newest value: it holds from the next cell on.
  void hold_late(std::chrono::nanoseconds stamp, const float* record) noexcept {
    if (stamp < last_stamp_) return;
    for (std::ptrdiff_t c = 0; c < channels(); ++c)
      if (std::isfinite(record[c])) held_[static_cast<std::size_t>(c)] = record[c];
    totals_.last_real = settled_ - 1;
  }

  void settle_present() noexcept {
    while (settled_ < newest_ && at(settled_).present) settle_one();
  }

  void settle_to(std::int64_t end) noexcept {
    if (end - settled_ > ring_.capacity()) {  // what would be overwritten at once is only counted
      const std::int64_t skipped = end - settled_ - ring_.capacity();
      for (std::int64_t i = settled_; i < settled_ + std::min(skipped, ring_.capacity()); ++i) at(i).present = false;
      count_filled(static_cast<std::uint64_t>(skipped));
      settled_ += skipped;
    }
    while (settled_ < end) settle_one();
  }

  void settle_one() noexcept {
    note& here = at(settled_);
    const bool real = here.present;
    here = totals_;
    float* const row = ring_.row(settled_);
    bool valid = true;
    for (std::size_t c = 0; c < ring_.width(); ++c) {
      const float value = real ? row[c] : held_[c];
      valid = valid && std::isfinite(value);
      row[c] = std::isfinite(value) ? value : held_[c];
      held_[c] = row[c];
    }
    ring_.commit(settled_);
    if (real) {
      ++counts_.placed;
      totals_.last_real = settled_;
      counts_.invalid += valid ? 0 : 1;
      totals_.invalid += valid ? 0 : 1;
    } else {
      count_filled(1);
    }
    ++settled_;
  }

  void count_filled(std::uint64_t samples) noexcept {
    if (!description_.is_regular()) return;
    totals_.filled += samples;
    counts_.filled += samples;
  }

  sensor_description description_;
  sample_grid grid_;
  sample_ring ring_;
  fixed_array<note> notes_;
  fixed_array<float> held_;  ///< the last good value of each channel
  note totals_;              ///< before(settled_)
  sensor_counts counts_;
  std::chrono::nanoseconds max_gap_{};
  std::chrono::nanoseconds last_stamp_ = sensor_chunk::no_stamp;
  std::optional<std::chrono::nanoseconds> suspect_;  ///< where the chunk after an unconfirmed jump would begin
  std::int64_t reorder_ = 0;                         ///< samples
  std::int64_t slice_ = 0;
  std::int64_t base_ = 0;     ///< first sample of this time line
  std::int64_t settled_ = 0;  ///< first sample that may still change
  std::int64_t newest_ = 0;   ///< one after the newest sample
  bool started_ = false;
};

}  // namespace dsmm::inline DSMM_ABI
