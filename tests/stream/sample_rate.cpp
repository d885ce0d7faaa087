// SPDX-License-Identifier: Apache-2.0
#include "dsmm/stream/sample_rate.hpp"

#include <doctest/doctest.h>

#include <random>

using namespace dsmm;
using namespace std::chrono_literals;
using std::chrono::nanoseconds;

TEST_CASE("time and index agree for every rate, also after years") {
  std::mt19937_64 random(3);
  for (const sample_rate rate : {sample_rate{1, 1},
                                 {3, 1},
                                 {20'000, 1},
                                 {44'100, 1},
                                 {100, 3},
                                 {30'000, 1'001},
                                 {1'000'000, 1},
                                 {1, 3'600},
                                 {25'600, 1}}) {
    REQUIRE(rate.valid());
    CAPTURE(rate.numerator);
    for (int k = 0; k < 2'000; ++k) {
      const auto seconds = static_cast<std::int64_t>(random() % 1'000'000'000);
      const std::int64_t index = rate.nearest(nanoseconds(seconds * 1'000'000'000)) - 500;
      const nanoseconds at = rate.duration(index);
      CHECK(rate.nearest(at) == index);
      CHECK(rate.last_at(at) == index);
      CHECK(rate.last_at(at - 1ns) == index - 1);
      CHECK(rate.last_at(rate.duration(index + 1) - 1ns) == index);
    }
  }
}

TEST_CASE("thirds of a second") {
  constexpr sample_rate rate{3, 1};
  CHECK(rate.duration(1) == 333'333'333ns);
  CHECK(rate.duration(3) == 1s);
  CHECK(rate.duration(-1) == -333'333'334ns);
  CHECK(rate.nearest(499ms) == 1);
  CHECK(rate.nearest(501ms) == 2);
  CHECK(rate.last_at(-1ns) == -1);
}

TEST_CASE("rates that would overflow are refused") {
  CHECK_FALSE(sample_rate{0, 1}.valid());
  CHECK_FALSE(sample_rate{1, 0}.valid());
  CHECK_FALSE(sample_rate{2'000'000'000, 1'000}.valid());
}
