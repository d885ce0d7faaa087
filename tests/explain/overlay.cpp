// SPDX-License-Identifier: Apache-2.0
#include "dsmm/explain/overlay.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "dsmm/explain/heat_blend.hpp"
#include "dsmm/explain/heat_map.hpp"
#include "painted.hpp"
#include "tests/counted_new.hpp"

using namespace dsmm;
using namespace std::chrono_literals;

namespace {

const overlay_box boxes[] = {{0.62f, 0.30f, 0.75f, 0.45f, 0.98f, "scratch"},
                             {0.0f, 0.0f, 0.1f, 0.1f, 0.6f, "dent"},
                             {0.9f, 0.9f, 1.0f, 1.0f, 0.4f, ""}};
const overlay_sensor sensors[] = {{"torque", "dead", palette::fail, 2210ms},
                                  {"current", "late", palette::unknown, 81ms},
                                  {"vibration", "", palette::pass, 2ms}};

overlay_scene failing() { return {"FAIL", "scratch", "valve-07", palette::fail, 0.934f, 0.5f, 3140us, boxes, sensors}; }

}  // namespace

TEST_CASE("draw_overlay: golden bytes on odd sizes and strides") {
  struct golden {
    std::int32_t width, height;
    std::ptrdiff_t padding;
    std::uint64_t hash[5];  // in the order of all_orders
  };
  const golden all[] = {
      {37, 23, 5, {0xdcabf15f4972aa88, 0x7f1528412373cc72, 0x318ec5d3f5af2768, 0xf9c7c83e5cab8db5, 0xc842a7fed11836cf}},
      {333,
       251,
       1,
       {0xb1167ce18e07153d, 0x4a302de4bc6cf19c, 0xa76351a8589a40cd, 0x476eea5dc262cf44, 0x6e078d1b8813ae84}},
      {641,
       481,
       3,
       {0x7eacf08ec74e29ec, 0xcc4a89352776b430, 0x3cb255976077ee83, 0xc56b946de9e1e8c3, 0xde25ff8b3496371c}},
      {1280,
       721,
       0,
       {0x8d5348f758298f45, 0xf24e423d7176c318, 0x69c7a8efbec73730, 0xa07862041eaee3e8, 0x3143c1a057d83db9}},
  };
  for (const golden& g : all) {
    for (std::size_t i = 0; i < 5; ++i) {
      test::painted picture(g.width, g.height, g.padding, test::all_orders[i]);
      draw_overlay(picture.on(), failing());
      CHECK(picture.outside_untouched());
      CAPTURE(g.width);
      CAPTURE(i);
      CHECK(picture.hash() == g.hash[i]);
    }
  }
}

TEST_CASE("draw_overlay: any size, scale and nonsense value stays inside the picture") {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  const overlay_box wild[] = {
      {nan, nan, nan, nan, nan, "nan"}, {-inf, -3, inf, 9, inf, "wide"}, {0.9f, 0.9f, 0.1f, 0.1f, -1, "inside out"}};
  for (const std::int32_t width : {1, 2, 17, 160, 641})
    for (const std::int32_t height : {1, 3, 29, 481})
      for (const std::int32_t scale : {0, 1, 3, 40}) {
        test::painted picture(width, height, 3, pixel_orders::rgb);
        overlay_scene scene = failing();
        scene.boxes = wild;
        scene.score = width == 17 ? nan : -inf;
        scene.threshold = height == 29 ? nan : 0;
        draw_overlay(picture.on(), scene, {.scale = scale});
        CHECK(picture.outside_untouched());
      }
}

TEST_CASE("draw_overlay: parts can be left out") {
  test::painted picture(320, 240, 0, pixel_orders::gray8);
  const auto before = picture.hash();
  draw_overlay(picture.on(), failing(), {.verdict = false, .boxes = false});
  CHECK(picture.hash() == before);
  draw_overlay(picture.on(), failing(), {.verdict = false});
  CHECK(*picture.at(0, 239) == picture.before(0, 239, 0));
  draw_overlay(picture.on(), failing(), {.boxes = false});
  CHECK(*picture.at(0, 239) != picture.before(0, 239, 0));
}

TEST_CASE("draw_overlay: the verdict has its colour, the score bar its length") {
  for (const auto& [score, end] : {std::pair{0.25f, 80}, {0.5f, 160}, {0.75f, 240}, {2.0f, 320}}) {
    test::painted picture(320, 240, 0, pixel_orders::rgb);
    overlay_scene scene = failing();
    scene.score = score;
    scene.boxes = {};
    draw_overlay(picture.on(), scene);
    const std::uint8_t* inside = picture.at(end - 3, 27);
    CHECK((inside[0] == palette::fail.red && inside[1] == palette::fail.green && inside[2] == palette::fail.blue));
    if (end < 320) CHECK(picture.at(end + 2, 27)[0] < 100);
    CHECK(picture.at(8, 5)[0] == palette::fail.red);
  }
}

TEST_CASE("drawing and region search allocate nothing") {
  std::vector<std::uint8_t> map(64 * 64, 0);
  map[1000] = map[2000] = 255;
  auto finder = region_finder::create(64, 64);
  REQUIRE(finder);
  test::painted picture(641, 481, 3, pixel_orders::bgr);
  const canvas on = picture.on();
  const overlay_scene scene = failing();
  const long before = test::allocations;
  const auto regions = finder->find(dense_view<const std::uint8_t>(map.data(), {64, 64, 1}), 128);
  blend_heat(on, dense_view<const std::uint8_t>(map.data(), {64, 64, 1}), 255);
  draw_overlay(on, scene);
  CHECK(test::allocations == before);
  CHECK(regions.size() == 2);
}
