// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/build/elementwise.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "tests/convert/imported.hpp"
#include "tests/convert/onnx_writer.hpp"

using namespace onnx_writer;
using dsmm::convert::dim_list;
using imported::run;

TEST_CASE("axes merge where every operand has both or repeats both") {
  using dsmm::convert::merged_axes;
  CHECK(merged_axes({{2, 3, 1, 4, 5}, {2, 3, 1, 1, 1}, {4, 5}}) == std::vector<dim_list>{{6, 20}, {6, 1}, {1, 20}});
  CHECK(merged_axes({{2, 3, 4}, {2, 3, 4}, {3, 1}}) == std::vector<dim_list>{{2, 3, 4}, {2, 3, 4}, {1, 3, 1}});
}

TEST_CASE("elementwise functions and reductions of more axes than an op takes") {
  const dims wide{1, 2, 1, 1, 1, 3, 1, 1};
  const std::string file = model(
      graph({{node("Reshape", {"x", "wide"}, {"a"}), node("Add", {"a", "w"}, {"b"}), node("Relu", {"b"}, {"c"}),
              node("ReduceSum", {"c", "axes"}, {"d"}), node("Squeeze", {"d"}, {"y"})},
             {integers("wide", wide), integers("axes", {5, 6}), floats("w", {2, 1, 1, 1, 1, 1, 2}, {10, 20, -5, 0})},
             {info("x", 1, {6})},
             {info("y", 1, {})}}));
  const auto r = run(file, {1, 2, 3, 4, 5, 6});
  CHECK(r.dims == dims{2, 2});
  CHECK(r.y == std::vector<float>{36, 66, 0 + 0 + 1, 15});
}
