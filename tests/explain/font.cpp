// SPDX-License-Identifier: Apache-2.0
#include "dsmm/explain/font.hpp"

#include <doctest/doctest.h>

#include <set>
#include <string>

#include "painted.hpp"

using namespace dsmm;

TEST_CASE("font: every printable character has its own shape inside five columns") {
  std::set<std::uint64_t> shapes;
  for (char c = ' '; c <= '~'; ++c) {
    shapes.insert(font::glyph(c));
    CHECK((font::glyph(c) & 0x0707070707070707) == 0);
  }
  CHECK(shapes.size() == 95);
  CHECK(font::glyph(' ') == 0);
}

TEST_CASE("font: anything else is a question mark") {
  for (const char c : {'\0', '\n', '\x7f', '\x80', '\xff'}) CHECK(font::glyph(c) == font::glyph('?'));
}

TEST_CASE("font: at scale 1 a character is its bits") {
  std::uint8_t bytes[8 * 8] = {};
  font::draw(canvas(bytes, 8, 8, 8, pixel_orders::gray8), 0, 0, 1, "R", palette::white);
  std::string art;
  for (int y = 0; y < 8; ++y) {
    for (int x = 0; x < 6; ++x) art += bytes[y * 8 + x] != 0 ? '#' : '.';
    art += '\n';
  }
  CHECK(art == "####..\n#...#.\n#...#.\n####..\n#.#...\n#..#..\n#...#.\n......\n");
}

TEST_CASE("font: larger scales paint the same strokes, smoothed, and stay inside the line's box") {
  for (std::int32_t scale = 1; scale <= 4; ++scale) {
    const std::string text = "Az/%gQ";
    const std::int32_t width = font::width(text.size(), scale), height = font::height * scale;
    test::painted picture(width + 9, height + 7, 3, pixel_orders::gray8);
    font::draw(picture.on(), 4, 3, scale, text, palette::white);
    CHECK(picture.outside_untouched());
    for (std::int32_t y = 0; y < height + 7; ++y)
      for (std::int32_t x = 0; x < width + 9; ++x) {
        const bool box = x >= 4 && x < 4 + width && y >= 3 && y < 3 + height;
        if (!box) CHECK(*picture.at(x, y) == picture.before(x, y, 0));
        else if (const std::int32_t u = (x - 4) / scale, v = (y - 3) / scale;
                 (font::glyph(text[static_cast<std::size_t>(u / 6)]) >> ((7 - v) * 8 + 7 - u % 6) & 1) != 0)
          CHECK(*picture.at(x, y) == 255);
      }
  }
}

TEST_CASE("font: text is clipped at every edge") {
  for (const std::int32_t x : {-1000, -7, 30, 1000})
    for (const std::int32_t y : {-1000, -5, 14, 1000}) {
      test::painted picture(33, 17, 2, pixel_orders::rgb);
      font::draw(picture.on(), x, y, 3, "clip me", palette::white);
      CHECK(picture.outside_untouched());
    }
}
