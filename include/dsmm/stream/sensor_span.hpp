// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "dsmm/config.hpp"
#include "dsmm/core/nanos.hpp"

namespace dsmm::inline DSMM_ABI {

/// State of one sensor at the time of a frame, best first.
enum class sensor_health : std::uint8_t {
  good,     ///< samples reach the frame's time and are finite
  patched,  ///< as good, but samples of the window were missing and hold the last value
  late,     ///< the newest sample is older than the allowed age
  invalid,  ///< NaN, infinite or impossible values in the window (they read as the last good value)
  dead,     ///< nothing arrived for longer than the dead time, or never
};

constexpr const char* to_string(sensor_health health) noexcept {
  switch (health) {
    case sensor_health::good: return "good";
    case sensor_health::patched: return "patched";
    case sensor_health::late: return "late";
    case sensor_health::invalid: return "invalid";
    case sensor_health::dead: return "dead";
  }
  return "unknown";
}

/// The samples of one sensor that belong to a frame: the window [t - W, t] on the sensor's own sample grid.
/// Sample i of a stream lies at running time origin + i / rate_hz, so a consumer that remembers the index it has seen
/// takes each sample once, however much the windows of neighbouring frames overlap. Views; lifetime is the frame's.
struct sensor_span {
  std::string_view name;
  double rate_hz = 0;              ///< samples per second and channel
  std::uint32_t channels = 0;      ///< interleaved
  std::int64_t first_index = 0;    ///< stream index of samples[0]
  std::size_t count = 0;           ///< samples per channel
  const float* samples = nullptr;  ///< (count, channels)
  nanos age{};  ///< frame time minus the time of the newest real sample
  sensor_health health = sensor_health::dead;
};

}  // namespace dsmm::inline DSMM_ABI
