// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/stream/sensor_buffer.hpp"
#include "dsmm/stream/sensor_span.hpp"

namespace dsmm::inline DSMM_ABI {

struct join_options {
  std::chrono::nanoseconds window = std::chrono::milliseconds(200);   ///< each frame gets (t - window, t]
  std::chrono::nanoseconds max_skew = std::chrono::seconds(2);        ///< how far sensors may be ahead of the frames
  std::chrono::nanoseconds max_wait = std::chrono::milliseconds(20);  ///< how long one frame may wait for its sensors
  std::chrono::nanoseconds reorder{};                                 ///< how far chunks may be out of order
};

enum class join_step : std::uint8_t { wait, ready, timed_out };

/// A frame with what every sensor measured until then. Views hold until the joiner's next non-const call.
struct joined_frame {
  std::chrono::nanoseconds time{};
  bool complete = false;   ///< every required sensor is good or patched
  bool timed_out = false;  ///< at least one sensor was waited for in vain
  std::span<const sensor_span> sensors;
};

/// Good enough to judge a part by.
constexpr bool usable(sensor_health health) noexcept { return health <= sensor_health::patched; }

/// Joins frames and sensors by running time. Pure: it holds samples and decisions, the caller holds the clock, the
/// threads and the frames. A frame is never refused; a sensor that let one frame wait in vain is not waited for again
/// until its samples have passed that frame.
///
/// One thread at a time. After the last add() or replace() nothing allocates.
class joiner {
public:
  joiner() noexcept = default;
  explicit joiner(const join_options& options) noexcept : options_(options) {}

  const join_options& options() const noexcept { return options_; }
  std::size_t size() const noexcept { return sensors_.size(); }

  /// Adds a sensor, last in the list. Errors: those of sensor_buffer::make().
  result<void> add(sensor_description description) {
    auto buffer = make_buffer(std::move(description), 0);
    if (!buffer) return buffer.error();
    sensors_.push_back({std::move(*buffer), {}, sensor_health::good, false});
    spans_.resize(sensors_.size());
    return {};
  }
  /// The sensor's stream changed its shape: begins anew. Indices go on.
  result<void> replace(std::size_t sensor, sensor_description description) {
    const sensor_buffer& old = sensors_[sensor].buffer;
    auto buffer = make_buffer(std::move(description), old.next() + (old.started() ? 1 : 0));
    if (!buffer) return buffer.error();
    sensors_[sensor].buffer = std::move(*buffer);
    sensors_[sensor].ended = false;
    return {};
  }
  void remove(std::size_t sensor) noexcept {
    sensors_.erase(sensors_.begin() + static_cast<std::ptrdiff_t>(sensor));
    spans_.resize(sensors_.size());
  }

  sensor_buffer& sensor(std::size_t i) noexcept { return sensors_[i].buffer; }
  const sensor_buffer& sensor(std::size_t i) const noexcept { return sensors_[i].buffer; }
  /// Its health at the last joined frame; good before the first.
  sensor_health health(std::size_t i) const noexcept { return sensors_[i].health; }
  /// The source will not send any more (or does again): it is not waited for.
  void set_ended(std::size_t i, bool ended) noexcept { sensors_[i].ended = ended; }

  /// Whether the frame at `time`, which waited for `waited` so far, goes out now.
  /// live  the sources follow a clock; an irregular sensor may then stay silent for good reason and is not waited for.
  join_step decide(std::chrono::nanoseconds time, std::chrono::nanoseconds waited, bool live) const noexcept {
    const bool waiting = std::any_of(sensors_.begin(), sensors_.end(),
                                     [&](const state& s) { return s.expected(live) && !s.buffer.covers(time); });
    if (!waiting) return join_step::ready;
    return waited < options_.max_wait ? join_step::wait : join_step::timed_out;
  }

  /// Whether a sensor is so far ahead of the frame at `time` that more samples would push out the frame's.
  bool ahead(std::size_t i, std::chrono::nanoseconds time) const noexcept {
    const sensor_buffer& buffer = sensors_[i].buffer;
    return buffer.started() && buffer.time_of(buffer.next()) - time >= options_.max_skew;
  }

  /// Gives the frame its samples; never fails. `step` is what decide() said.
  joined_frame join(std::chrono::nanoseconds time, join_step step, bool live) noexcept {
    joined_frame frame{time, true, step == join_step::timed_out, {}};
    for (std::size_t i = 0; i < sensors_.size(); ++i) {
      state& s = sensors_[i];
      if (step == join_step::timed_out && s.expected(live) && !s.buffer.covers(time)) s.missed = time;
      if (!s.buffer.description().is_regular()) s.buffer.extend(time + std::chrono::nanoseconds(1));
      spans_[i] = span_of(s, time);
      s.health = spans_[i].health;
      if (s.buffer.description().required && !usable(s.health)) frame.complete = false;
    }
    frame.sensors = spans_;
    return frame;
  }

  /// After a seek: sensors keep their indices and forget their time line.
  void restart(std::size_t i) noexcept {
    sensors_[i].buffer.restart();
    sensors_[i].missed.reset();
    sensors_[i].ended = false;
  }

private:
  struct state {
    sensor_buffer buffer;
    std::optional<std::chrono::nanoseconds> missed;  ///< the frame that waited for it in vain
    sensor_health health = sensor_health::good;
    bool ended = false;

    bool expected(bool live) const noexcept {
      if (ended || (live && !buffer.description().is_regular())) return false;
      return !missed || buffer.covers(*missed);
    }
  };

  result<sensor_buffer> make_buffer(sensor_description description, std::int64_t first_index) const {
    return sensor_buffer::make(std::move(description), options_.window + options_.max_skew, options_.reorder,
                               first_index);
  }

  sensor_span span_of(const state& s, std::chrono::nanoseconds time) const noexcept {
    const sensor_description& d = s.buffer.description();
    const sensor_window w = s.buffer.window(time, std::max<std::int64_t>(1, d.rate.nearest(options_.window)));
    sensor_span span{d.name,
                     d.rate.hz(),
                     d.channels,
                     w.first,
                     w.count,
                     w.samples,
                     std::chrono::nanoseconds::max(),
                     sensor_health::good};
    if (w.newest) span.age = time - *w.newest;
    if (!w.newest || span.age > d.dead_age()) span.health = sensor_health::dead;
    else if (w.invalid != 0) span.health = sensor_health::invalid;
    else if (span.age > d.late_age() || w.cut) span.health = sensor_health::late;
    else if (w.filled != 0) span.health = sensor_health::patched;
    return span;
  }

  join_options options_{};
  std::vector<state> sensors_;
  std::vector<sensor_span> spans_;
};

}  // namespace dsmm::inline DSMM_ABI
