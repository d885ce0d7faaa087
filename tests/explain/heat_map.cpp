// SPDX-License-Identifier: Apache-2.0
#include "dsmm/explain/heat_map.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <tuple>
#include <vector>

using namespace dsmm;

namespace {

tensor_view<const std::uint8_t> view(const std::vector<std::uint8_t>& map, std::int32_t h, std::int32_t w) {
  return dense_view<const std::uint8_t>(map.data(), {h, w, 1});
}

/// Labels spread until nothing changes: slow, and nothing like a flood fill.
std::vector<heat_region> reference(const std::vector<std::uint8_t>& map, std::int32_t h, std::int32_t w,
                                   std::uint8_t threshold, connectivity joined) {
  const auto at = [w](std::int32_t y, std::int32_t x) { return static_cast<std::size_t>(y * w + x); };
  std::vector<std::int32_t> label(map.size());
  for (std::size_t i = 0; i < map.size(); ++i) label[i] = map[i] >= threshold ? static_cast<std::int32_t>(i) : -1;
  for (bool changed = true; changed;) {
    changed = false;
    for (std::int32_t y = 0; y < h; ++y)
      for (std::int32_t x = 0; x < w; ++x)
        for (std::int32_t ny = std::max(0, y - 1); ny <= std::min(h - 1, y + 1); ++ny)
          for (std::int32_t nx = std::max(0, x - 1); nx <= std::min(w - 1, x + 1); ++nx) {
            if (joined == connectivity::edges && ny != y && nx != x) continue;
            std::int32_t &a = label[at(y, x)], b = label[at(ny, nx)];
            if (a >= 0 && b >= 0 && b < a) a = b, changed = true;
          }
  }
  std::vector<heat_region> all;
  for (std::int32_t id = 0; id < h * w; ++id) {
    heat_region r{{w, h, 0, 0}, 0, 0, 0, 0};
    for (std::int32_t y = 0; y < h; ++y)
      for (std::int32_t x = 0; x < w; ++x) {
        if (label[at(y, x)] != id) continue;
        ++r.area;
        r.box = {std::min(r.box.left, x), std::min(r.box.top, y), std::max(r.box.right, x + 1),
                 std::max(r.box.bottom, y + 1)};
        if (map[at(y, x)] > r.peak) r.peak = map[at(y, x)], r.peak_x = x, r.peak_y = y;
      }
    if (r.area > 0) all.push_back(r);
  }
  std::stable_sort(all.begin(), all.end(), [](const heat_region& a, const heat_region& b) {
    return std::tuple(b.peak, b.area, a.box.top, a.box.left) < std::tuple(a.peak, a.area, b.box.top, b.box.left);
  });
  if (all.size() > region_finder::capacity) all.resize(region_finder::capacity);
  return all;
}

}  // namespace

TEST_CASE("region_finder: equals the slow labelling on random maps") {
  std::mt19937 random(7);
  auto finder = region_finder::create(24, 31);
  REQUIRE(finder);
  for (int round = 0; round < 200; ++round) {
    const auto h = static_cast<std::int32_t>(1 + random() % 24), w = static_cast<std::int32_t>(1 + random() % 31);
    std::vector<std::uint8_t> map(static_cast<std::size_t>(h * w));
    for (auto& v : map) v = static_cast<std::uint8_t>(random() % 256);
    const auto threshold = static_cast<std::uint8_t>(90 + random() % 150);
    for (const auto joined : {connectivity::edges, connectivity::edges_and_corners}) {
      const auto expected = reference(map, h, w, threshold, joined);
      const auto found = finder->find(view(map, h, w), threshold, 1, joined);
      REQUIRE(found.size() == expected.size());
      for (std::size_t i = 0; i < found.size(); ++i) {
        const heat_region &a = found[i], &b = expected[i];
        CHECK(std::tuple(a.peak, a.area, a.peak_x, a.peak_y) == std::tuple(b.peak, b.area, b.peak_x, b.peak_y));
        CHECK(a.box == b.box);
      }
    }
  }
}

TEST_CASE("region_finder: strided maps, small regions, the empty and the full map") {
  std::vector<std::uint8_t> map(8 * 16, 0);
  map[1 * 16 + 2] = 200, map[1 * 16 + 3] = 210, map[5 * 16 + 7] = 250;
  const tensor_view<const std::uint8_t> strided{map.data(), {8, 9, 1}, 16, 1};
  auto finder = region_finder::create(8, 9);
  REQUIRE(finder);
  CHECK(finder->find(strided, 100).size() == 2);
  const auto large = finder->find(strided, 100, 2);
  REQUIRE(large.size() == 1);
  CHECK(large[0].box == pixel_rect{2, 1, 4, 2});
  CHECK(large[0].peak == 210);

  const std::vector<std::uint8_t> none(72, 0), full(72, 255);
  CHECK(finder->find(view(none, 8, 9), 0).empty());
  const auto whole = finder->find(view(full, 8, 9), 255);
  REQUIRE(whole.size() == 1);
  CHECK(whole[0].area == 72);
}

TEST_CASE("region_finder: refuses what it was not made for") {
  CHECK(region_finder::create(0, 5).error().code == errc::invalid_argument);
  CHECK(region_finder::create(1 << 20, 1 << 20).error().code == errc::too_large);
  auto finder = region_finder::create(4, 4);
  REQUIRE(finder);
  const std::vector<std::uint8_t> map(25, 255);
  CHECK(finder->find(view(map, 5, 5), 1).empty());
  CHECK(finder->find({}, 1).empty());
}
