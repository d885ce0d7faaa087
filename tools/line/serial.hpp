// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "tools/line/canvas.hpp"

namespace dsmm::inline DSMM_ABI::line {

/// Digits of 5 x 7 dots, one byte per row, bit 4 is the left dot.
inline constexpr std::array<std::array<std::uint8_t, 7>, 10> dot_digits{{
    {0x0E, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0E},
    {0x04, 0x0C, 0x04, 0x04, 0x04, 0x04, 0x0E},
    {0x0E, 0x11, 0x01, 0x02, 0x04, 0x08, 0x1F},
    {0x0E, 0x11, 0x01, 0x06, 0x01, 0x11, 0x0E},
    {0x02, 0x06, 0x0A, 0x12, 0x1F, 0x02, 0x02},
    {0x1F, 0x10, 0x1E, 0x01, 0x01, 0x11, 0x0E},
    {0x06, 0x08, 0x10, 0x1E, 0x11, 0x11, 0x0E},
    {0x1F, 0x01, 0x02, 0x04, 0x08, 0x08, 0x08},
    {0x0E, 0x11, 0x11, 0x0E, 0x11, 0x11, 0x0E},
    {0x0E, 0x11, 0x11, 0x0F, 0x01, 0x02, 0x0C},
}};

/// Peens the six last digits of the part's number into the marking field, as dots of 2 x 2 pixels with a bright rim.
inline void stamp_serial(canvas& c, std::int64_t part) noexcept {
  constexpr float pitch = 3, advance = 20;
  for (int place = 0; place < 6; ++place, part /= 10) {
    const auto& digit = dot_digits[static_cast<std::size_t>(part % 10)];
    for (int row = 0; row < 7; ++row)
      for (int column = 0; column < 5; ++column) {
        if ((digit[static_cast<std::size_t>(row)] >> (4 - column) & 1) == 0) continue;
        const float px = 60 - advance * static_cast<float>(place + 1) + 4 + pitch * static_cast<float>(column);
        const float py = 162 - 9 + pitch * static_cast<float>(row);
        const int x = static_cast<int>(c.to_x(px, py)), y = static_cast<int>(c.to_y(px, py));
        c.add(x, y, -62), c.add(x + 1, y, -40), c.add(x, y + 1, -40), c.add(x + 1, y + 1, 14);
      }
  }
}

}  // namespace dsmm::inline DSMM_ABI::line
