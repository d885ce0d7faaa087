// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI {

/// An opaque colour, 0..255 per channel.
struct colour {
  std::uint8_t red = 0, green = 0, blue = 0;
  friend constexpr bool operator==(const colour&, const colour&) = default;

  /// Brightness for one-channel pictures, BT.601 weights in 1/256.
  constexpr std::uint8_t luma() const noexcept {
    return static_cast<std::uint8_t>((77 * red + 150 * green + 29 * blue + 128) / 256);
  }
};

/// What the overlay paints with: told apart by brightness too, so they work on grey pictures and for colour-blind eyes.
namespace palette {
inline constexpr colour white{255, 255, 255}, grey{176, 182, 190}, ink{16, 18, 22};
inline constexpr colour pass{46, 184, 92}, fail{226, 48, 54}, unknown{255, 179, 0};
}  // namespace palette

/// A heat value as paint: the colour and how much of it covers the picture.
struct heat_colour {
  colour paint{};
  std::uint8_t alpha = 0;  ///< 0 = the picture shows, 255 = the paint alone
};

/// Heat 0..255 to paint: violet, magenta, orange, yellow, brighter all the way up. Below 24 nothing is painted, then
/// the paint gets denser up to 208, so that a quiet part of the map never veils the picture.
inline constexpr std::array<heat_colour, 256> heat_colours = [] {
  struct stop {
    std::int32_t heat, red, green, blue, alpha;
  };
  constexpr std::array<stop, 6> stops{{{0, 30, 8, 70, 0},
                                       {24, 58, 10, 110, 0},
                                       {80, 140, 22, 120, 96},
                                       {140, 222, 60, 72, 150},
                                       {200, 250, 148, 26, 184},
                                       {255, 255, 240, 110, 208}}};
  std::array<heat_colour, 256> table{};
  for (std::size_t s = 0; s + 1 < stops.size(); ++s) {
    const stop a = stops[s], b = stops[s + 1];
    const std::int32_t n = b.heat - a.heat;
    for (std::int32_t i = 0; i <= n; ++i) {
      const auto mix = [&](std::int32_t from, std::int32_t to) {
        return static_cast<std::uint8_t>((from * (n - i) + to * i + n / 2) / n);
      };
      table[static_cast<std::size_t>(a.heat + i)] = {{mix(a.red, b.red), mix(a.green, b.green), mix(a.blue, b.blue)},
                                                     mix(a.alpha, b.alpha)};
    }
  }
  return table;
}();

}  // namespace dsmm::inline DSMM_ABI
