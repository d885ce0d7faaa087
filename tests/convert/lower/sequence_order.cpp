// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/lower/sequence_order.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "tests/convert/imported.hpp"
#include "tests/convert/onnx_writer.hpp"

using namespace onnx_writer;
using imported::run;

TEST_CASE("ReverseSequence turns the valid steps of each series") {
  const auto y = [](std::int64_t time_axis, const dims& shape, const std::vector<float>& x) {
    const names attributes{attribute("time_axis", time_axis), attribute("batch_axis", 1 - time_axis)};
    return run(one_node(node("ReverseSequence", {"x", "lengths"}, {"y"}, attributes), shape,
                        {integers("lengths", {3, 2})}),
               x)
        .y;
  };
  CHECK(y(1, {2, 3}, {1, 2, 3, 4, 5, 6}) == std::vector<float>{3, 2, 1, 5, 4, 6});
  CHECK(y(0, {3, 2}, {1, 4, 2, 5, 3, 6}) == std::vector<float>{3, 5, 2, 4, 1, 6});
}

TEST_CASE("CumProd runs both ways, with or without its own element") {
  const auto y = [](std::int64_t exclusive, std::int64_t reverse) {
    const names attributes{attribute("exclusive", exclusive), attribute("reverse", reverse)};
    return run(one_node(node("CumProd", {"x", "axis"}, {"y"}, attributes), {5, 1}, {integers("axis", {0})}, 26),
               {2, 3, 4, 5, 6})
        .y;
  };
  CHECK(y(0, 0) == std::vector<float>{2, 6, 24, 120, 720});
  CHECK(y(1, 0) == std::vector<float>{1, 2, 6, 24, 120});
  CHECK(y(0, 1) == std::vector<float>{720, 360, 120, 30, 6});
  CHECK(y(1, 1) == std::vector<float>{360, 120, 30, 6, 1});
}
