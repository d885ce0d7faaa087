// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "dsmm/config.hpp"
#include "dsmm/stream/sample_rate.hpp"

namespace dsmm::inline DSMM_ABI {

/// How a sensor's samples follow each other.
enum class sampling : std::uint8_t {
  regular,    ///< every 1 / rate; what is missing is a fault
  irregular,  ///< a value holds until the next one: temperatures, torques, part numbers; `rate` is the grid they are
              ///< put on
};

/// What is known of a sensor before its first sample. Times of 0 mean: choose by rate.
struct sensor_description {
  std::string name;
  std::string unit;
  sample_rate rate{};
  std::uint32_t channels = 1;
  dsmm::sampling sampling = sampling::regular;
  bool required = true;                   ///< a frame without it is incomplete
  std::chrono::nanoseconds max_age{};     ///< older than this: late
  std::chrono::nanoseconds dead_after{};  ///< silent for longer than this: dead
  /// Stamps may be off by this much (half a chunk at most) before samples count as missing or doubled.
  std::chrono::nanoseconds max_jitter = std::chrono::milliseconds(2);
  std::chrono::nanoseconds max_gap{};  ///< a jump of the stamps above this is believed only when confirmed

  std::chrono::nanoseconds late_age() const noexcept { return chosen(max_age, 4, is_regular() ? 50 : 1'000); }
  std::chrono::nanoseconds dead_age() const noexcept { return chosen(dead_after, 10, is_regular() ? 1'000 : 10'000); }
  std::chrono::nanoseconds largest_gap() const noexcept {
    return chosen(max_gap, 16, is_regular() ? 10'000 : 86'400'000);
  }
  bool is_regular() const noexcept { return sampling == dsmm::sampling::regular; }

private:
  std::chrono::nanoseconds chosen(std::chrono::nanoseconds set, std::int64_t periods,
                                  std::int64_t at_least_ms) const noexcept {
    if (set > std::chrono::nanoseconds::zero()) return set;
    return std::max<std::chrono::nanoseconds>(rate.duration(periods), std::chrono::milliseconds(at_least_ms));
  }
};

/// A run of samples as its source delivers it.
struct sensor_chunk {
  /// The source does not know when: the samples follow the previous ones.
  static constexpr std::chrono::nanoseconds no_stamp = std::chrono::nanoseconds::min();

  std::chrono::nanoseconds stamp = no_stamp;  ///< running time of the first sample
  const float* samples = nullptr;             ///< (count, channels)
  std::size_t count = 0;
  bool discontinuity = false;  ///< the source says that samples before this were lost: the stamp is taken literally
};

/// A source of samples that is asked, and never waits.
/// next() returns the next chunk, valid until the following call, or nothing if none is there yet.
template <class S>
concept sensor = requires(S& source, const S& same) {
  { same.description() }
  noexcept->std::same_as<const sensor_description&>;
  { source.next() }
  noexcept->std::same_as<std::optional<sensor_chunk>>;
};

}  // namespace dsmm::inline DSMM_ABI
