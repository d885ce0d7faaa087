// SPDX-License-Identifier: Apache-2.0
#include "tools/picture/picture.hpp"

#include <doctest/doctest.h>

#include <numeric>

using dsmm::tools::fitted;
using dsmm::tools::picture;

namespace {

picture ramp(int width, int height, int channels) {
  picture p{width, height, channels, {}};
  p.pixels.resize(p.at(height, 0));
  std::iota(p.pixels.begin(), p.pixels.end(), std::uint8_t{0});
  return p;
}

}  // namespace

TEST_CASE("a picture of the right size stays as it is") {
  const picture p = ramp(7, 5, 3);
  CHECK(fitted(p, 7, 5).pixels == p.pixels);
}

TEST_CASE("scaling averages areas, and rounds to nearest") {
  const picture p{4, 2, 1, {0, 1, 10, 20, 2, 4, 30, 41}};
  CHECK(fitted(p, 2, 1).pixels == std::vector<std::uint8_t>{2, 25});
}

TEST_CASE("what does not have the shape of the input is cut on both sides alike") {
  const picture wide{6, 2, 1, {9, 9, 1, 2, 9, 9, 9, 9, 3, 4, 9, 9}};
  CHECK(fitted(wide, 2, 2).pixels == std::vector<std::uint8_t>{1, 2, 3, 4});
  const picture tall{1, 5, 3, {9, 9, 9, 9, 9, 9, 1, 2, 3, 9, 9, 9, 9, 9, 9}};
  CHECK(fitted(tall, 1, 1).pixels == std::vector<std::uint8_t>{1, 2, 3});
}

TEST_CASE("any size becomes any other") {
  for (const int size : {1, 2, 3, 17})
    for (const int to : {1, 2, 5, 40}) {
      const picture out = fitted(ramp(size, 3, 1), to, to + 1);
      CHECK(out.pixels.size() == static_cast<std::size_t>(to) * static_cast<std::size_t>(to + 1));
    }
}
