// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/nd/quantize.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/kernels/nd/call_case.hpp"

namespace {

namespace nd = dsmm::kernels::nd;
using nd_case::tensor;

/// One scale as bytes with vectors, and the same numbers with a scale for each index, element by element.
template <class T>
void check(T zero_point, float step) {
  std::vector<float> values{0.0f,
                            -0.0f,
                            1e30f,
                            -1e30f,
                            std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN()};
  for (int i = -1100; i <= 1100; ++i) values.push_back(static_cast<float>(i) * 0.25f * step);
  dsmm::rng random(1);
  for (int i = 0; i < 500; ++i) values.push_back(random.uniform(-300.0f, 300.0f) * step);
  const auto n = static_cast<std::int64_t>(values.size());
  const tensor<float> x({n}, values), scale({}, {step}), scales({n}, std::vector<float>(values.size(), step));
  const tensor<T> zero({}, {zero_point}), zeros({n}, std::vector<T>(values.size(), zero_point));
  tensor<T> y({n}), each({n});
  nd_case::run(nd::nd_quantize, {x.view(), scale.view(), zero.view()}, {y.view()}, {0, 0, 1});
  nd_case::run(nd::nd_quantize, {x.view(), scales.view(), zeros.view()}, {each.view()}, {0, 0, 1});
  CHECK(y.values() == each.values());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float v = std::nearbyint(values[i] / step) + static_cast<float>(zero_point);
    const float low = std::numeric_limits<T>::min(), high = std::numeric_limits<T>::max();
    REQUIRE(y[i] == (std::isnan(v) ? zero_point : static_cast<T>(std::clamp(v, low, high))));
  }
  tensor<float> back({n}), back_each({n});
  nd_case::run(nd::nd_dequantize, {y.view(), scale.view(), zero.view()}, {back.view()}, {0, 0});
  nd_case::run(nd::nd_dequantize, {y.view(), scales.view(), zeros.view()}, {back_each.view()}, {0, 0});
  CHECK(back.values() == back_each.values());
  for (std::size_t i = 0; i < values.size(); ++i) REQUIRE(back[i] == static_cast<float>(y[i] - zero_point) * step);
}

}  // namespace

TEST_CASE("nd_quantize and nd_dequantize: bytes of one scale as those of a scale each, ties, ends and NaN") {
  for (const float step : {1.0f, 0.37f, 1e-3f, 1000.0f})
    for (const int zero : {0, 1, 77, 127, 128, 200, 255}) {
      CAPTURE(step);
      CAPTURE(zero);
      check<std::uint8_t>(static_cast<std::uint8_t>(zero), step);
      check<std::int8_t>(static_cast<std::int8_t>(zero - 128), step);
    }
}
