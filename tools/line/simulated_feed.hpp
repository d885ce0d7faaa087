// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/line/feed.hpp"
#include "tools/line/simulated_line.hpp"

namespace dsmm::inline DSMM_ABI::line {

/// The simulated line, endless. Sensors hand over chunks of 1 ms, the slow temperature one record at a time.
class simulated_feed final : public feed {
public:
  explicit simulated_feed(std::uint64_t seed, std::int64_t fps) : line_(seed, fps) {
    about_ = {"simulated line, session " + std::to_string(seed),
              "line.dsmm",
              camera::width,
              camera::height,
              fps,
              200,
              {{"vibration", "g", vibration_rate, 3, true},
               {"current", "A", current_rate, 1, true},
               {"force", "N", force_rate, 1, true},
               {"temperature", "\u00b0C", temperature_rate, 1, false}}};
  }

  const line_description& about() const noexcept override { return about_; }

  bool next_picture(picture& out) override {
    const part_truth t = line_.truth(part_);
    out = {};
    out.time_ns = line_.clock().exposure_ns(part_);
    out.part = std::to_string(part_);
    out.truth_known = true, out.defective = t.defective(), out.kind = to_string(t.kind);
    if (t.kind == part_kind::good && t.weak_mark) out.kind = "good, rub mark alone";
    if (t.kind == part_kind::good && t.weak_event) out.kind = "good, force event alone";
    out.seen_by = evidence_of(t.kind);
    out.pixels.resize(static_cast<std::size_t>(camera::width) * camera::height);
    line_.eye().take(t, out.pixels.data(), mask_);
    ++part_;
    return true;
  }

  bool next_chunk(std::size_t sensor, sensor_chunk& out) override {
    static constexpr std::int64_t rates[4] = {vibration_rate, current_rate, force_rate, temperature_rate};
    static constexpr std::int64_t counts[4] = {20, 1, 1, 1};
    const std::int64_t first = next_[sensor], rate = rates[sensor];
    out.count = static_cast<std::size_t>(counts[sensor]);
    out.time_ns = first * (1'000'000'000 / rate);
    out.values.resize(out.count * static_cast<std::size_t>(about_.sensors[sensor].channels));
    process& machine = line_.machine();
    switch (sensor) {
      case 0: machine.vibration(first, out.count, out.values.data()); break;
      case 1: machine.current(first, out.count, out.values.data()); break;
      case 2: machine.force(first, out.count, out.values.data()); break;
      default: machine.temperature(first, out.count, out.values.data()); break;
    }
    next_[sensor] += counts[sensor];
    return true;
  }

private:
  simulated_line line_;
  line_description about_;
  truth_mask mask_;
  std::int64_t part_ = 0, next_[4] = {};
};

}  // namespace dsmm::inline DSMM_ABI::line
