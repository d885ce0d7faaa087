// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/lower/elementwise.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "tests/convert/imported.hpp"
#include "tests/convert/onnx_writer.hpp"

using namespace onnx_writer;
using imported::run;

TEST_CASE("slopes of old operator sets are one per channel") {
  const std::vector<float> x{-1, -2, -3, -4, -5, -6};
  const auto file = [](std::int64_t opset, const dims& slope) {
    return one_node(node("PRelu", {"x", "slope"}, {"y"}), {1, 2, 3}, {floats("slope", slope, {10, 100})}, opset);
  };
  const std::vector<float> y{-10, -20, -30, -400, -500, -600};
  CHECK(run(file(6, {2}), x).y == y);
  CHECK(run(file(16, {2, 1}), x).y == y);
}
