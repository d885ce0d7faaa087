// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/lower/matmul.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "tests/convert/imported.hpp"
#include "tests/convert/onnx_writer.hpp"

using namespace onnx_writer;
using imported::run;

TEST_CASE("the first axis of a product's operand may be its rows") {
  // x (rows, batch, columns) = (3, 2, 1); per batch, rows times one number
  const std::string file =
      one_node(node("FusedMatMul", {"x", "w"}, {"y"},
                    {attribute("transBatchA", std::int64_t{1}), attribute_real("alpha", 2.0f)}, "com.microsoft"),
               {3, 2, 1}, {floats("w", {2, 1, 1}, {1, 10})});
  const auto r = run(file, {1, 2, 3, 4, 5, 6});
  CHECK(r.dims == dims{2, 3, 1});
  CHECK(r.y == std::vector<float>{2, 6, 10, 40, 80, 120});
}
