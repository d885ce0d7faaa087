// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/lower/reduce.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "tests/convert/imported.hpp"
#include "tests/convert/onnx_writer.hpp"

using namespace onnx_writer;
using imported::check_near, imported::run;

TEST_CASE("a batch norm in training mode takes the statistics of its input") {
  const auto y = [](const names& out) {
    const names attributes{attribute("training_mode", std::int64_t{1}), attribute_real("epsilon", 0.0f),
                           attribute_real("momentum", 0.75f)};
    return run(model(graph({{node("BatchNormalization", {"x", "scale", "bias", "mean", "var"}, out, attributes)},
                            {floats("scale", {2}, {1, 10}), floats("bias", {2}, {0, 5}), floats("mean", {2}, {4, 8}),
                             floats("var", {2}, {0, 4})},
                            {info("x", 1, {2, 2, 1})},
                            {info("y", 1, {})}})),
               {1, -3, 5, 1})
        .y;
  };
  check_near(y({"y"}), {-1, -5, 1, 15});
  check_near(y({"", "y"}), {4 * 0.75f + 3 * 0.25f, 8 * 0.75f - 1 * 0.25f});
  check_near(y({"", "", "y"}), {4 * 0.25f, 4 * 0.75f + 4 * 0.25f});
}

TEST_CASE("scales of a group norm are one per group up to operator set 20, then one per channel") {
  const auto y = [](std::int64_t opset, const std::vector<float>& scale) {
    const dims size{static_cast<std::int64_t>(scale.size())};
    const names attributes{attribute("num_groups", std::int64_t{2}), attribute_real("epsilon", 0.0f)};
    return run(one_node(node("GroupNormalization", {"x", "scale", "bias"}, {"y"}, attributes), {1, 4, 1},
                        {floats("scale", size, scale), floats("bias", size, std::vector<float>(scale.size(), 1.0f))},
                        opset),
               {1, 3, 7, 3})
        .y;
  };
  check_near(y(18, {1, 10}), {0, 2, 11, -9});
  check_near(y(21, {1, 2, 10, 20}), {0, 3, 11, -19});
}
