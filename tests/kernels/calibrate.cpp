// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/calibrate.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "tests/kernels/golden.hpp"

namespace k = dsmm::kernels;

TEST_CASE("ends, knots, jumps and NaN") {
  const float from[] = {-1.0f, 0.0f, 0.0f, 2.0f}, to[] = {0.1f, 0.2f, 0.6f, 0.9f};
  const auto at = [&](float x) { return k::piecewise_linear(from, to, 4, x); };
  CHECK(at(-1.0f) == 0.1f);
  CHECK(at(-5.0f) == 0.1f);
  CHECK(at(-INFINITY) == 0.1f);
  CHECK(at(-0.5f) == doctest::Approx(0.15));
  CHECK(at(0.0f) == 0.6f);
  CHECK(at(-0.0f) == 0.6f);
  CHECK(at(1.0f) == doctest::Approx(0.75));
  CHECK(at(2.0f) == 0.9f);
  CHECK(at(INFINITY) == 0.9f);
  CHECK(std::bit_cast<std::uint32_t>(at(-NAN)) == 0x7FC0'0000u);
  CHECK(k::piecewise_linear(from, to, 1, 7.0f) == 0.1f);
}

TEST_CASE("monotone knots give monotone results, each head with its own curve") {
  const float knots[] = {0.0f, 0.3f, 1.0f, -0.1f, 0.333f, 0.35f, 0.0f, 1.0f, 2.0f, 5.0f, 6.0f, 8.0f};
  std::vector<float> all;
  float before = -1.0f;
  for (int i = 0; i <= 4000; ++i) {
    const float x[] = {static_cast<float>(i) * 0x1p-12f, 2.0f - static_cast<float>(i) * 0x1p-11f};
    float y[2];
    k::calibrate(x, knots, 2, 3, y);
    CHECK(y[0] >= before);
    before = y[0];
    const double v = static_cast<double>(x[1]);
    CHECK(std::fabs(static_cast<double>(y[1]) - (v < 1.0 ? 5.0 + v : 4.0 + 2.0 * v)) < 1e-6);
    all.insert(all.end(), y, y + 2);
  }
  golden::check("calibrate", golden::hash(all));
}
