// SPDX-License-Identifier: Apache-2.0
#include "dsmm/explain/heat_blend.hpp"

#include <doctest/doctest.h>

#include <random>
#include <vector>

#include "painted.hpp"

using namespace dsmm;

namespace {

std::vector<std::uint8_t> noise(std::int32_t h, std::int32_t w) {
  std::mt19937 random(static_cast<unsigned>(h * 1000 + w));
  std::vector<std::uint8_t> map(static_cast<std::size_t>(h * w));
  for (auto& v : map) v = static_cast<std::uint8_t>(random());
  return map;
}

/// Heat at a picture pixel by the definition, with a division.
std::int32_t heat_at(const std::vector<std::uint8_t>& map, std::int32_t h, std::int32_t w, std::int32_t y,
                     std::int32_t x, std::int32_t height, std::int32_t width) {
  const auto place = [](std::int64_t i, std::int64_t size, std::int64_t n) {
    return std::max<std::int64_t>(0, 256 * (2 * i + 1) * n / (2 * size) - 128);
  };
  const auto v = place(y, height, h), u = place(x, width, w);
  const auto value = [&](std::int64_t row, std::int64_t column) {
    return std::int64_t{
        map[static_cast<std::size_t>(std::min<std::int64_t>(row, h - 1) * w + std::min<std::int64_t>(column, w - 1))]};
  };
  const auto column = [&](std::int64_t c) {
    return value(v >> 8, c) * (256 - (v & 255)) + value((v >> 8) + 1, c) * (v & 255);
  };
  return static_cast<std::int32_t>((column(u >> 8) * (256 - (u & 255)) + column((u >> 8) + 1) * (u & 255) + 32768) >>
                                   16);
}

}  // namespace

TEST_CASE("blend_heat: bilinear on half-pixel centres, up and down, odd sizes") {
  struct size {
    std::int32_t h, w, height, width;
  };
  for (const auto& [h, w, height, width] :
       {size{1, 1, 5, 7}, {8, 8, 61, 83}, {13, 7, 41, 97}, {64, 64, 33, 31}, {3, 90, 90, 3}}) {
    const auto map = noise(h, w);
    test::painted picture(width, height, 5, pixel_orders::bgrx);
    blend_heat(picture.on(), dense_view(map.data(), {h, w, 1}), 200);
    CHECK(picture.outside_untouched());
    int wrong = 0;
    for (std::int32_t y = 0; y < height; ++y)
      for (std::int32_t x = 0; x < width; ++x) {
        const heat_colour c = heat_colours[static_cast<std::size_t>(heat_at(map, h, w, y, x, height, width))];
        const int alpha = (c.alpha * 200 + 127) / 255;
        wrong += picture.at(x, y)[2] != (picture.before(x, y, 2) * (255 - alpha) + c.paint.red * alpha + 127) / 255;
        wrong += picture.at(x, y)[0] != (picture.before(x, y, 0) * (255 - alpha) + c.paint.blue * alpha + 127) / 255;
      }
    CHECK(wrong == 0);
  }
}

TEST_CASE("blend_heat: cold maps, no map and zero opacity leave the picture alone") {
  const std::vector<std::uint8_t> cold(16, 24);
  const auto hot = noise(4, 4);
  test::painted picture(21, 17, 1, pixel_orders::rgb);
  const auto before = picture.hash();
  blend_heat(picture.on(), dense_view(cold.data(), {4, 4, 1}), 255);
  blend_heat(picture.on(), dense_view(hot.data(), {4, 4, 1}), 0);
  blend_heat(picture.on(), {}, 255);
  CHECK(picture.hash() == before);
}

TEST_CASE("heat_colours: denser and brighter with heat") {
  for (std::size_t i = 1; i < 256; ++i) {
    CHECK(heat_colours[i].alpha >= heat_colours[i - 1].alpha);
    CHECK(heat_colours[i].paint.luma() + 1 >= heat_colours[i - 1].paint.luma());
  }
  CHECK(heat_colours[24].alpha == 0);
  CHECK(heat_colours[255].paint == colour{255, 240, 110});
}
