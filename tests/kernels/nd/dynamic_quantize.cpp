// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/nd/dynamic_quantize.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "dsmm/core/thread_pool.hpp"
#include "tests/kernels/nd/call_case.hpp"

namespace {

namespace nd = dsmm::kernels::nd;
using nd_case::tensor;

/// As the standard's text has it, in f32 with the C library's rounding.
void check(const std::vector<float>& values, unsigned width = 1) {
  const auto n = static_cast<std::int64_t>(values.size());
  const tensor<float> x({n}, values);
  tensor<std::uint8_t> y({n}), zero({});
  tensor<float> scale({});
  dsmm::thread_pool pool(width);
  nd_case::run(nd::nd_dynamic_quantize, {x.view()}, {y.view(), scale.view(), zero.view()}, {0},
               nd::nd_dynamic_quantize_scratch, dsmm::best_isa(), pool.handle());
  float low = 0, high = 0;
  for (const float v : values) low = std::fmin(low, v), high = std::fmax(high, v);
  float step = (high - low) / 255.0f;
  if (!(step > 0.0f) || !(step <= 0x1p126f)) step = 1.0f;
  const float z = std::clamp(std::nearbyint(-low / step), 0.0f, 255.0f);
  CHECK(scale[0] == step);
  CHECK(zero[0] == z);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float v = std::nearbyint(values[i] / step) + z;
    CAPTURE(values[i]);
    REQUIRE(y[i] == static_cast<std::uint8_t>(std::isnan(v) ? z : std::clamp(v, 0.0f, 255.0f)));
  }
}

}  // namespace

TEST_CASE("nd_dynamic_quantize: the standard's formula on every range, ties, signs and lengths") {
  dsmm::rng random(1);
  for (std::size_t n = 1; n < 100; ++n)
    for (const auto& [low, high] :
         {std::pair(-1.0f, 1.0f), {0.5f, 9.0f}, {-3.0f, -1.0f}, {-1e-30f, 1e-38f}, {-1e38f, 3e38f}}) {
      std::vector<float> x(n);
      for (float& v : x) v = random.uniform(low, high);
      check(x);
    }
  std::vector<float> ties;  // a scale of 1: every half is a tie
  for (int i = -200; i <= 310; ++i) ties.push_back(static_cast<float>(i) * 0.5f);
  ties.push_back(-100.0f);
  ties.push_back(155.0f);
  check(ties);
}

TEST_CASE("nd_dynamic_quantize: zeros, infinities and NaN") {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  check({0.0f, -0.0f, 0.0f});
  check({nan, 1.0f, -2.0f, nan, 0.25f});
  check({inf, 1.0f, -300.0f, -1.0f});
  check({-inf, inf, 3.0f, nan, 999.0f});
  check({3e38f, -3e38f, 1.0f});
}

TEST_CASE("nd_dynamic_quantize: many runs on several threads") {
  dsmm::rng random(2);
  std::vector<float> x(100'003);
  for (float& v : x) v = random.uniform(-3.0f, 5.0f);
  x[77'777] = 6.5f;
  check(x, 1);
  check(x, 3);
}
