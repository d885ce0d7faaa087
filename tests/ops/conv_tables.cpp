// SPDX-License-Identifier: Apache-2.0
#include "dsmm/ops/conv_tables.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "dsmm/core/rng.hpp"

using dsmm::fixed_point;
using dsmm::ops::make_channel_factor;

TEST_CASE("the factor of a channel is the nearest one of 24 bits") {
  dsmm::rng random(1);
  for (int i = 0; i < 2000; ++i) {
    const double real = std::ldexp(1.0 + random.uniform(0.0f, 0.9999f) + 1e-9, -1 - static_cast<int>(random.below(32)));
    fixed_point f;
    REQUIRE(make_channel_factor(real, f));
    CHECK(f.multiplier % 128 == 0);
    CHECK(f.multiplier >= 1 << 30);
    const double made = std::ldexp(static_cast<double>(f.multiplier), -f.shift);
    CHECK(std::abs(made - real) <= real * 0x1p-24);
  }
}

TEST_CASE("the ends of a channel's factor") {
  fixed_point f;
  CHECK(make_channel_factor(0x1p-32, f));
  CHECK(f.multiplier == 1 << 30);
  CHECK(f.shift == 62);
  CHECK(!make_channel_factor(0x1.fffffp-33, f));
  CHECK(!make_channel_factor(1.0, f));
  CHECK(!make_channel_factor(0.0, f));
  CHECK(!make_channel_factor(-0.5, f));
  CHECK(!make_channel_factor(std::nan(""), f));
  REQUIRE(make_channel_factor(0x1.fffffffffp-1, f));  // as f32 it would be 1
  CHECK(f.multiplier == 0x7FFF'FF80);
  CHECK(f.shift == 31);
}
