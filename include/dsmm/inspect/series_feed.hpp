// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/graph/elastic_session.hpp"
#include "dsmm/inspect/hop_port.hpp"
#include "dsmm/inspect/sensor_need.hpp"
#include "dsmm/stream/hop.hpp"
#include "dsmm/stream/sensor_span.hpp"

namespace dsmm::inline DSMM_ABI {

/// Runs the "hop" program of a model over the sensor windows of successive frames: every sample once, hop by hop, and
/// on every level, because each keeps its own past.
class series_feed {
public:
  struct report {
    std::size_t hops = 0;    ///< runs of the program for this frame
    bool restarted = false;  ///< samples were lost and the states began anew
    bool usable = true;      ///< every required sensor is there and good or patched
    bool warm = false;       ///< the states have seen enough hops since the last restart
  };

  series_feed() noexcept = default;

  /// Binds the model's sensors to the hop programs' inputs. A model without that program gives an empty feed.
  /// Errors: wrong_product (META and the programs' inputs disagree, or levels with each other), too_large.
  static result<series_feed> make(const elastic_session& levels, std::span<const sensor_need> needs) {
    series_feed feed;
    feed.present_ = levels.at(0).source().find_program("hop").has_value();
    if (!feed.present_) return feed;
    std::uint32_t slow_channels = 0;
    for (std::size_t i = 0; i < needs.size(); ++i) {
      if (needs[i].role == sensor_role::slow) {
        feed.slow_.push_back({i, needs[i], slow_channels, 0, {}});
        feed.slow_.back().held.resize(needs[i].channels);
        slow_channels += needs[i].channels;
        continue;
      }
      if (feed.beat_ != none) return wrong("a model has exactly one sensor of role hop");
      feed.beat_ = i;
      feed.beat_need_ = needs[i];
    }
    if (feed.beat_ == none) return wrong("the hop program needs a sensor of role hop in META");
    for (std::uint32_t k = 0; k < levels.levels(); ++k) {
      auto port = hop_port::bind(levels.at(k), feed.beat_need_, slow_channels);
      if (!port) return port.error();
      if (k != 0 && port->hop != feed.ports_[0].hop) return wrong("the levels of the model take hops of other lengths");
      feed.ports_.push_back(*port);
    }
    auto cutter = hop_cutter::make(feed.ports_[0].hop, feed.beat_need_.channels);
    if (!cutter) return cutter.error();
    feed.cutter_ = std::move(*cutter);
    return feed;
  }

  bool present() const noexcept { return present_; }
  /// Hops after a restart until the states are worth a verdict.
  void set_warm_up(std::size_t hops) noexcept { warm_up_ = hops; }

  /// needed[i] is the span of the model's sensor i, or nullptr if the line does not have it. No allocation, no throw.
  report feed(elastic_session& levels, std::span<const sensor_span* const> needed) noexcept {
    report r;
    if (!present_) return r;
    r.usable = usable(beat_need_, needed[beat_]);
    for (const slow_input& slow : slow_) r.usable = usable(slow.need, needed[slow.sensor]) && r.usable;
    if (const sensor_span* const beat = needed[beat_]; beat != nullptr) {
      const std::int64_t end = beat->first_index + static_cast<std::int64_t>(beat->count);
      const auto cut = cutter_.consume(*beat, [&](std::int64_t first, const float* samples) noexcept {
        if (first != expected_) {
          levels.reset();
          since_restart_ = 0;
          r.restarted = expected_ >= 0;
        }
        expected_ = first + ports_[0].hop;
        for (slow_input& slow : slow_) take_mean(slow, needed[slow.sensor], expected_, end);
        for (std::uint32_t k = 0; k < levels.levels(); ++k) run_hop(levels.at(k), ports_[k], samples);
        ++since_restart_;
      });
      r.hops = cut.hops;
    }
    r.warm = since_restart_ >= warm_up_;
    return r;
  }

  /// The next hop begins a new series.
  void restart() noexcept {
    expected_ = -1;
    since_restart_ = 0;
    for (slow_input& slow : slow_) {
      slow.offset = 0;
      slow.taken = -1;
    }
  }

private:
  static constexpr std::size_t none = static_cast<std::size_t>(-1);

  struct slow_input {
    std::size_t sensor;
    sensor_need need;
    std::uint32_t channel;    ///< first channel in the tensor "slow"
    std::int64_t offset;      ///< of its index against the beat's, times the ratio of rates
    std::vector<float> held;  ///< the last mean
    std::int64_t taken = -1;  ///< samples before this index have been averaged
  };

  static failure wrong(const char* text) noexcept { return failure{errc::wrong_product, text}; }
  static bool usable(const sensor_need& need, const sensor_span* span) noexcept {
    return !need.required ||
           (span != nullptr && span->health <= sensor_health::patched && span->channels == need.channels);
  }

  /// Mean of the slow sensor's samples since the last hop, up to the time of beat sample `at`; `end` is the beat's
  /// newest. Indices of the two sensors run at the ratio of their rates; the offset between them is corrected only when
  /// clocks have drifted apart by more than two samples, so that it does not depend on where frames happen to fall:
  /// both ends are rounded, so sensors in step already differ by up to two. Windows must reach back over one frame, one
  /// hop and one sample of the slow sensor, or samples are gone before their hop asks for them.
  void take_mean(slow_input& slow, const sensor_span* span, std::int64_t at, std::int64_t end) noexcept {
    if (span == nullptr || span->count == 0 || span->channels != slow.need.channels) return;
    const double ratio = slow.need.rate_hz / beat_need_.rate_hz;
    const std::int64_t last = span->first_index + static_cast<std::int64_t>(span->count);
    const std::int64_t seen = last - static_cast<std::int64_t>(static_cast<double>(end - at) * ratio);
    std::int64_t stop = static_cast<std::int64_t>(static_cast<double>(at) * ratio) + slow.offset;
    if (seen - stop > 2 || stop - seen > 2) {
      slow.offset += seen - stop;
      stop = seen;
    }
    const std::int64_t from = std::max({slow.taken, span->first_index, stop - max_averaged});
    stop = std::min(stop, last);
    if (stop > from) average(slow, *span, from, stop);
    slow.taken = std::max(slow.taken, stop);
  }

  void run_hop(session& s, const hop_port& port, const float* samples) noexcept {
    std::copy_n(samples, std::size_t{port.hop} * beat_need_.channels, s.f32(port.beat).data);
    for (const slow_input& slow : slow_)
      std::copy(slow.held.begin(), slow.held.end(), s.f32(port.slow).data + slow.channel);
    s.run(port.program);
  }

  static void average(slow_input& slow, const sensor_span& span, std::int64_t from, std::int64_t stop) noexcept {
    for (std::uint32_t c = 0; c < span.channels; ++c) {
      float sum = 0;
      for (std::int64_t i = from; i < stop; ++i) sum += span.samples[(i - span.first_index) * span.channels + c];
      slow.held[c] = sum / static_cast<float>(stop - from);
    }
  }

  static constexpr std::int64_t max_averaged = 1024;  ///< bounds the work after a silence

  bool present_ = false;
  std::size_t beat_ = none, warm_up_ = 16, since_restart_ = 0;
  std::int64_t expected_ = -1;
  sensor_need beat_need_{};
  std::vector<slow_input> slow_;
  std::vector<hop_port> ports_;  ///< by level
  hop_cutter cutter_;
};

}  // namespace dsmm::inline DSMM_ABI
