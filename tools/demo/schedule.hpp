// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "tools/line/feed.hpp"

namespace dsmm::inline DSMM_ABI::demo {

/// Puts the pictures and chunks of a line into the order in which a real line would hand them over: a picture at its
/// exposure, a chunk when its last sample has been taken.
class schedule {
public:
  static constexpr std::size_t camera = static_cast<std::size_t>(-1);

  /// most: pictures to take, 0 = all. Sensors go on until they have covered the last picture.
  schedule(line::feed& feed, std::int64_t most) : feed_(feed), most_(most), heads_(feed.about().sensors.size()) {
    for (std::size_t i = 0; i < heads_.size(); ++i) advance(i);
    advance_camera();
  }

  bool done() const noexcept { return !source_of_next().second; }
  /// When the next hand-over is due, on the line's time base.
  std::int64_t due_ns() const noexcept { return due(source_of_next().first); }
  /// Which source is next: a sensor, or `camera`.
  std::size_t source() const noexcept { return source_of_next().first; }

  const line::picture& picture() const noexcept { return picture_; }
  const line::sensor_chunk& chunk() const noexcept { return heads_[source()].chunk; }

  /// Whether the sensor has more to give.
  bool alive(std::size_t sensor) const noexcept { return heads_[sensor].alive; }

  /// Removes the next hand-over.
  void pop() {
    const std::size_t from = source();
    if (from == camera) advance_camera();
    else advance(from);
  }

private:
  struct head {
    line::sensor_chunk chunk;
    std::int64_t due_ns = 0;
    bool alive = false;
  };

  void advance(std::size_t i) {
    head& h = heads_[i];
    h.alive = feed_.next_chunk(i, h.chunk);
    const line::sensor_stream& s = feed_.about().sensors[i];
    const double length_ns = s.regular ? 1e9 * static_cast<double>(h.chunk.count - 1) / s.rate_hz : 0;
    h.due_ns = h.chunk.time_ns + static_cast<std::int64_t>(length_ns);
  }
  void advance_camera() {
    have_picture_ = (most_ == 0 || taken_ < most_) && feed_.next_picture(picture_);
    if (have_picture_) ++taken_, last_ns_ = picture_.time_ns;
  }
  std::int64_t due(std::size_t source) const noexcept {
    return source == camera ? picture_.time_ns : heads_[source].due_ns;
  }
  /// Without a further picture a sensor still hands over one chunk that lies behind the last picture.
  bool wanted(const head& h) const noexcept {
    return h.alive && (have_picture_ || h.chunk.time_ns <= last_ns_ + 1'000'000);
  }

  std::pair<std::size_t, bool> source_of_next() const noexcept {
    std::size_t best = camera;
    bool found = have_picture_;
    for (std::size_t i = 0; i < heads_.size(); ++i)
      if (wanted(heads_[i]) && (!found || heads_[i].due_ns < due(best))) best = i, found = true;
    return {best, found};
  }

  line::feed& feed_;
  std::int64_t most_, taken_ = 0, last_ns_ = -1;
  std::vector<head> heads_;
  line::picture picture_;
  bool have_picture_ = false;
};

}  // namespace dsmm::inline DSMM_ABI::demo
