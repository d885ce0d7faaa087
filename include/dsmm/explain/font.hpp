// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "dsmm/config.hpp"
#include "dsmm/explain/canvas.hpp"

namespace dsmm::inline DSMM_ABI {

/// A fixed-width 8x8 bitmap font for the printable ASCII characters; anything else shows as '?'.
namespace font {

inline constexpr std::int32_t advance = 6;  ///< pixels from one character to the next, at scale 1
inline constexpr std::int32_t height = 8;   ///< row 7 holds the descenders

/// ' '..'~': eight rows from the top byte down, bit 7 of a row is the left pixel; five columns are used.
inline constexpr std::array<std::uint64_t, 95> glyphs{
    // clang-format off
    0x0000000000000000, 0x2020202020002000, 0x5050500000000000, 0x5050f850f8505000, 0x2078a07028f02000,  // ! " # $
    0xc0c8102040981800, 0x6090a040a8906800, 0x2020200000000000, 0x1020404040201000, 0x4020101010204000,  // % & ' ( )
    0x0020a870a8200000, 0x002020f820200000, 0x0000000000202040, 0x000000f800000000, 0x0000000000606000,  // * + , - .
    0x0808102040808000, 0x708898a8c8887000, 0x2060202020207000, 0x708808102040f800, 0xf810201008887000,  // / 0 1 2 3
    0x10305090f8101000, 0xf880f00808887000, 0x304080f088887000, 0xf808102040404000, 0x7088887088887000,  // 4 5 6 7 8
    0x7088887808106000, 0x0060600060600000, 0x0060600060204000, 0x1020408040201000, 0x0000f800f8000000,  // 9 : ; < =
    0x4020100810204000, 0x7088081020002000, 0x7088b8a8b8807000, 0x708888f888888800, 0xf08888f08888f000,  // > ? @ A B
    0x7088808080887000, 0xf08888888888f000, 0xf88080f08080f800, 0xf88080f080808000, 0x708880b888887000,  // C D E F G
    0x888888f888888800, 0x7020202020207000, 0x3810101010906000, 0x8890a0c0a0908800, 0x808080808080f800,  // H I J K L
    0x88d8a8a888888800, 0x88c8a89888888800, 0x7088888888887000, 0xf08888f080808000, 0x70888888a8906800,  // M N O P Q
    0xf08888f0a0908800, 0x788080700808f000, 0xf820202020202000, 0x8888888888887000, 0x8888888850502000,  // R S T U V
    0x888888a8a8d88800, 0x8888502050888800, 0x8888502020202000, 0xf80810204080f800, 0x7040404040407000,  // W X Y Z [
    0x8080402010080800, 0x7010101010107000, 0x2050880000000000, 0x00000000000000f8, 0x4020000000000000,  // \ ] ^ _ `
    0x0000700878887800, 0x8080f0888888f000, 0x0000788080807800, 0x0808788888887800, 0x00007088f8807800,  // a b c d e
    0x3040f04040404000, 0x0000788888780870, 0x8080f08888888800, 0x2000602020207000, 0x1000301010101060,  // f g h i j
    0x808090a0c0a09000, 0x6020202020207000, 0x0000d0a8a8a8a800, 0x0000f08888888800, 0x0000708888887000,  // k l m n o
    0x0000f08888f08080, 0x0000788888780808, 0x0000b0c080808000, 0x000078807008f000, 0x4040f04040403000,  // p q r s t
    0x0000888888887800, 0x0000888850502000, 0x000088a8a8a85000, 0x0000885020508800, 0x0000888888780870,  // u v w x y
    0x0000f8102040f800, 0x1820204020201800, 0x2020202020202000, 0xc02020102020c000, 0x000040a810000000,  // z { | } ~
    // clang-format on
};

constexpr std::uint64_t glyph(char c) noexcept {
  return glyphs[static_cast<std::size_t>((c >= ' ' && c <= '~' ? c : '?') - ' ')];
}

/// Width in pixels of a line of `size` characters.
constexpr std::int32_t width(std::size_t size, std::int32_t scale) noexcept {
  return size == 0 ? 0 : (static_cast<std::int32_t>(size) * advance - 1) * scale;
}

namespace detail {
constexpr bool lit(std::uint64_t g, std::int32_t x, std::int32_t y) noexcept {
  return x >= 0 && x < 8 && y >= 0 && y < 8 && (g >> ((7 - y) * 8 + 7 - x) & 1) != 0;
}

/// Fills the inner corner between two lit cells that touch at a point: a diagonal becomes a line instead of steps.
inline void draw_joint(const canvas& on, std::int32_t x, std::int32_t y, std::int32_t scale, std::int32_t dx,
                       std::int32_t dy, colour paint, std::int32_t alpha) noexcept {
  const std::int32_t n = scale / 2;
  for (std::int32_t j = 0; j < n; ++j) {
    const std::int32_t row = dy > 0 ? y + scale - 1 - j : y + j;
    if (dx > 0) on.fill({x + scale - n + j, row, x + scale, row + 1}, paint, alpha);
    else on.fill({x, row, x + n - j, row + 1}, paint, alpha);
  }
}
}  // namespace detail

/// Draws one line of text with its top left corner at (x, y), clipped to the canvas.
///
/// scale  whole pixels per font pixel, at least 1; from 2 on diagonals are smoothed.
inline void draw(const canvas& on, std::int32_t x, std::int32_t y, std::int32_t scale, std::string_view text,
                 colour paint, std::int32_t alpha = 255) noexcept {
  for (const char c : text) {
    const std::uint64_t g = glyph(c);
    for (std::int32_t v = 0; v < 8; ++v) {
      for (std::int32_t u = 0; u < 5; ++u) {
        const std::int32_t left = x + u * scale, top = y + v * scale;
        if (detail::lit(g, u, v)) {
          on.fill({left, top, left + scale, top + scale}, paint, alpha);
          continue;
        }
        for (const std::int32_t dy : {-1, 1})
          for (const std::int32_t dx : {-1, 1})
            if (detail::lit(g, u + dx, v) && detail::lit(g, u, v + dy) && !detail::lit(g, u + dx, v + dy))
              detail::draw_joint(on, left, top, scale, dx, dy, paint, alpha);
      }
    }
    x += advance * scale;
  }
}

}  // namespace font
}  // namespace dsmm::inline DSMM_ABI
