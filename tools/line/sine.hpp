// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI::line {

/// One period of sine in 4096 steps. Only products and sums of doubles at compile time: equal on every machine.
inline constexpr std::array<float, 4096> sine_table = [] {
  std::array<float, 4096> table{};
  for (int i = 0; i <= 1024; ++i) {
    const double x = i * (1.5707963267948966 / 1024), square = x * x;
    double term = x, sum = x;
    for (int k = 1; k < 10; ++k) sum += (term *= -square / ((2 * k) * (2 * k + 1)));
    const auto value = static_cast<float>(sum);
    table[static_cast<std::size_t>(i)] = value;
    table[static_cast<std::size_t>(2048 - i)] = value;
    table[static_cast<std::size_t>(2048 + i)] = -value;
    if (i != 0) table[static_cast<std::size_t>(4096 - i)] = -value;
  }
  return table;
}();

/// Sine of a phase in turns, 2^32 = one turn.
constexpr float sine(std::uint32_t phase) noexcept { return sine_table[phase >> 20]; }
constexpr float cosine(std::uint32_t phase) noexcept { return sine(phase + 0x4000'0000u); }

/// Phase of an angle in degrees.
constexpr std::uint32_t degrees(float angle) noexcept {
  return static_cast<std::uint32_t>(static_cast<std::int64_t>(static_cast<double>(angle) * (4294967296.0 / 360.0)));
}

/// Phase advance per sample.
constexpr std::uint32_t phase_step(double frequency_hz, double rate_hz) noexcept {
  return static_cast<std::uint32_t>(frequency_hz / rate_hz * 4294967296.0);
}

}  // namespace dsmm::inline DSMM_ABI::line
