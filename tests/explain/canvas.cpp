// SPDX-License-Identifier: Apache-2.0
#include "dsmm/explain/canvas.hpp"

#include <doctest/doctest.h>

#include "painted.hpp"

using namespace dsmm;

TEST_CASE("canvas: fill covers exactly the clipped rectangle in every pixel order") {
  constexpr colour paint{200, 100, 50};
  for (const pixel_order order : test::all_orders) {
    for (const pixel_rect r : {pixel_rect{2, 3, 9, 7},
                               {-5, -5, 4, 2},
                               {30, 20, 99, 99},
                               {5, 5, 5, 9},
                               {9, 9, 3, 3},
                               {-9, -9, -1, -1},
                               {37, 0, 40, 5}}) {
      test::painted picture(37, 23, 5, order);
      picture.on().fill(r, paint);
      CHECK(picture.outside_untouched());
      int wrong = 0;
      for (std::int32_t y = 0; y < 23; ++y) {
        for (std::int32_t x = 0; x < 37; ++x) {
          const bool inside = x >= r.left && x < r.right && y >= r.top && y < r.bottom;
          const std::uint8_t* p = picture.at(x, y);
          if (order.bytes == 1) {
            wrong += p[0] != (inside ? paint.luma() : picture.before(x, y, 0));
          } else {
            wrong += p[order.red] != (inside ? paint.red : picture.before(x, y, order.red));
            wrong += p[order.green] != (inside ? paint.green : picture.before(x, y, order.green));
            wrong += p[order.blue] != (inside ? paint.blue : picture.before(x, y, order.blue));
          }
        }
      }
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("canvas: alpha mixes with one rounding, 0 and 255 are exact") {
  std::uint8_t pixel = 0;
  const canvas on(&pixel, 1, 1, 1, pixel_orders::gray8);
  for (int under = 0; under < 256; under += 5) {
    for (int alpha = 0; alpha < 256; alpha += 3) {
      pixel = static_cast<std::uint8_t>(under);
      on.blend(0, 0, {90, 90, 90}, alpha);
      CHECK(pixel == (under * (255 - alpha) + 90 * alpha + 127) / 255);
    }
  }
}

TEST_CASE("canvas: an outline never covers a pixel twice") {
  for (const pixel_rect r : {pixel_rect{3, 3, 20, 15}, {3, 3, 6, 4}, {0, 0, 5, 5}, {-3, -3, 12, 40}}) {
    test::painted picture(31, 21, 3, pixel_orders::gray8);
    picture.on().outline(r, 3, palette::white, 128);
    CHECK(picture.outside_untouched());
    for (std::int32_t y = 0; y < 21; ++y)
      for (std::int32_t x = 0; x < 31; ++x) {
        const int before = picture.before(x, y, 0), once = (before * 127 + 255 * 128 + 127) / 255;
        const int now = *picture.at(x, y);
        const bool inside = x >= r.left && x < r.right && y >= r.top && y < r.bottom;
        CHECK((now == before || (inside && now == once)));
      }
  }
}

TEST_CASE("canvas: a bottom-up picture is painted through a negative stride") {
  std::uint8_t bytes[12] = {};
  canvas(bytes + 9, 3, 4, -3, pixel_orders::gray8).fill({0, 0, 3, 1}, palette::white);
  for (int i = 0; i < 12; ++i) CHECK(bytes[i] == (i >= 9 ? 255 : 0));
}

TEST_CASE("canvas: rounded corners lose pixels at the corners alone") {
  test::painted picture(20, 20, 0, pixel_orders::gray8);
  picture.on().fill_rounded({2, 2, 18, 18}, 4, palette::white);
  CHECK(*picture.at(2, 2) == picture.before(2, 2, 0));
  CHECK(*picture.at(17, 17) == picture.before(17, 17, 0));
  CHECK(*picture.at(10, 2) == 255);
  CHECK(*picture.at(2, 10) == 255);
  CHECK(*picture.at(4, 4) == 255);
}
