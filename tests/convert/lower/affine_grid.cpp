// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/lower/affine_grid.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "tests/convert/imported.hpp"
#include "tests/convert/onnx_writer.hpp"

using namespace onnx_writer;
using imported::run;

TEST_CASE("AffineGrid maps the middles of elements, or their corners") {
  const auto y = [](std::int64_t corners, const dims& size, const std::vector<float>& theta) {
    return run(one_node(node("AffineGrid", {"x", "size"}, {"y"}, {attribute("align_corners", corners)}), {1, 2, 3},
                        {integers("size", size)}, 20),
               theta)
        .y;
  };
  const std::vector<float> identity{1, 0, 0, 0, 1, 0}, turned{0, 2, 0, 1, 0, 0.5f};
  CHECK(y(1, {1, 3, 1, 3}, identity) == std::vector<float>{-1, 0, 0, 0, 1, 0});
  CHECK(y(0, {1, 3, 2, 2}, identity) == std::vector<float>{-0.5f, -0.5f, 0.5f, -0.5f, -0.5f, 0.5f, 0.5f, 0.5f});
  CHECK(y(0, {1, 3, 2, 1}, turned) == std::vector<float>{-1, 0.5f, 1, 0.5f});
}
