// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/nd/quantize.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "tests/kernels/nd/call_case.hpp"

namespace nd = dsmm::kernels::nd;
using nd_case::tensor;

namespace {

/// What the standard says, element by element: nearest level, ties to even, saturated; NaN becomes the zero point.
float level(float x, float scale, float zero, float low, float high) {
  const float v = std::nearbyint(x / scale) + zero;
  return v != v ? zero : std::clamp(v, low, high);
}

template <class T>
void check_levels(float low, float high) {
  tensor<float> x = tensor<float>::random({3, 4, 50}, 5, -9, 9);
  const float odd[] = {NAN, INFINITY, -INFINITY, 1e30f, -1e30f, 0.5f, 1.5f, -2.5f, 0.0f, -0.0f, 3e-39f, 127.5f};
  std::copy(std::begin(odd), std::end(odd), x.values().begin() + 130);
  const tensor<float> scale({4}, {0.03f, 1.0f, 0.25f, 7.0f}), one({}, {0.05f});
  const tensor<T> zero({4}, {T{3}, T{0}, T{100}, T{7}}), single({}, {T{9}});
  tensor<T> y({3, 4, 50});
  nd_case::run(&nd::nd_quantize, {x.view(), scale.view(), zero.view()}, {y.view()}, {1, 0, 1});
  for (std::size_t i = 0; i < y.values().size(); ++i)
    CHECK(static_cast<float>(y[i]) == level(x[i], scale[i / 50 % 4], static_cast<float>(zero[i / 50 % 4]), low, high));
  tensor<float> back({3, 4, 50});
  nd_case::run(&nd::nd_dequantize, {y.view(), scale.view(), zero.view()}, {back.view()}, {1, 0});
  for (std::size_t i = 0; i < y.values().size(); ++i)
    CHECK(back[i] == (static_cast<float>(y[i]) - static_cast<float>(zero[i / 50 % 4])) * scale[i / 50 % 4]);
  nd_case::run(&nd::nd_quantize, {x.view(), one.view(), single.view()}, {y.view()}, {1, 0, 1});
  for (std::size_t i = 0; i < y.values().size(); ++i)
    CHECK(static_cast<float>(y[i]) == level(x[i], 0.05f, 9, low, high));
}

}  // namespace

TEST_CASE("levels and back, one scale or one per channel") {
  check_levels<std::uint8_t>(0, 255);
  check_levels<std::int8_t>(-128, 127);
}
