// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/lower/shape.hpp"

#include <doctest/doctest.h>

#include <numeric>
#include <vector>

#include "tests/convert/imported.hpp"
#include "tests/convert/onnx_writer.hpp"

using namespace onnx_writer;
using imported::run;

TEST_CASE("SpaceToDepth puts the place in a block before or behind the channels") {
  std::vector<float> x(8);  // two channels of 2 x 2
  std::iota(x.begin(), x.end(), 0.0f);
  const auto y = [&](const names& mode) {
    names attributes{attribute("blocksize", std::int64_t{2})};
    attributes.insert(attributes.end(), mode.begin(), mode.end());
    return run(one_node(node("SpaceToDepth", {"x"}, {"y"}, attributes), {1, 2, 2, 2}), x).y;
  };
  CHECK(y({}) == std::vector<float>{0, 4, 1, 5, 2, 6, 3, 7});
  CHECK(y({attribute_text("mode", "DCR")}) == y({}));
  CHECK(y({attribute_text("mode", "CRD")}) == x);
}
