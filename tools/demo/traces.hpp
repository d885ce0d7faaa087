// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "dsmm/stream/sensor_span.hpp"
#include "tools/report/svg.hpp"

namespace dsmm::inline DSMM_ABI::demo {

/// The last `shown_ms` of every sensor as one strip each; the last `stroke_ms` are shaded.
inline std::string sensor_traces(std::span<const sensor_span> sensors, double shown_ms, double stroke_ms) {
  constexpr double width = 360, strip = 46, left = 4, right = 356;
  report::svg s(width, strip * static_cast<double>(sensors.size()) + 6, "sensors until the exposure");
  static const std::string curves[] = {"curve image-line", "curve series-line", "curve joint-line"};
  double top = 0;
  for (const sensor_span& sensor : sensors) {
    const auto wanted = static_cast<std::size_t>(std::max(2.0, shown_ms * sensor.rate_hz / 1000));
    const std::size_t count = std::min(sensor.count, wanted), channels = sensor.channels;
    const std::span<const float> values(sensor.samples + (sensor.count - count) * channels, count * channels);
    const double length = stroke_ms < shown_ms ? (right - left) * stroke_ms / shown_ms : 0;
    if (length > 0) s.rect(right - length, top + 2, length, strip - 6, "stroke");
    const double from =
        right - (right - left) * static_cast<double>(count) / static_cast<double>(std::max(count, wanted));
    float low = 0, high = 0;
    for (std::size_t i = 0; i < values.size(); ++i)
      if (std::isfinite(values[i]))
        low = i == 0 ? values[i] : std::min(low, values[i]), high = i == 0 ? values[i] : std::max(high, values[i]);
    for (std::size_t c = std::min<std::size_t>(channels, 3); c-- > 0;)
      s.curve(values.subspan(std::min(c, values.size())), channels, from, right, top + 6, top + strip - 8, low, high,
              curves[c]);
    std::string name(sensor.name);
    if (sensor.health != sensor_health::good) name += std::string(" \u2013 ") + to_string(sensor.health);
    s.text(left + 2, top + 12, name, "start", "t strong halo");
    s.text(right - 2, top + 12,
           report::fixed(static_cast<double>(low), 1) + " \u2026 " + report::fixed(static_cast<double>(high), 1), "end",
           "t halo");
    top += strip;
  }
  return std::move(s).finish();
}

}  // namespace dsmm::inline DSMM_ABI::demo
