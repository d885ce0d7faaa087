// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/lower/resize.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "tests/convert/imported.hpp"
#include "tests/convert/onnx_writer.hpp"

using namespace onnx_writer;
using imported::run;

TEST_CASE("aligned corners: those of the last pixel for PyTorch, of scale * extent for ONNX") {
  const auto y = [](float scale, const std::vector<float>& x, const char* producer) {
    const names attributes{attribute_text("mode", "linear"),
                           attribute_text("coordinate_transformation_mode", "align_corners")};
    return run(one_node(node("Resize", {"x", "", "scales"}, {"y"}, attributes),
                        {1, 1, static_cast<std::int64_t>(x.size())}, {floats("scales", {3}, {1, 1, scale})}, 17,
                        producer),
               x)
        .y;
  };
  CHECK(y(2.4f, {0, 8}, "pytorch") == std::vector<float>{0, 8.0f / 3, 16.0f / 3, 8});  // 4.8 elements: 4 of them
  CHECK(y(0.6f, {1, 2, 3, 4}, "pytorch") == std::vector<float>{1, 4});
  CHECK(y(0.5f, {1, 2, 3, 4}, "other") == std::vector<float>{1, 4});
  CHECK(y(0.6f, {1, 2, 3, 4}, "other")[1] == doctest::Approx(1 + 3 / 1.4));  // 2.4 elements
}

TEST_CASE("beyond a border a cubic sees the last pixel again and again") {
  const auto y = [](const char* mode, float place) {
    const names attributes{attribute_text("mode", mode), attribute_text("padding_mode", "border")};
    return run(one_node(node("GridSample", {"x", "grid"}, {"y"}, attributes), {1, 1, 1, 2},
                        {floats("grid", {1, 1, 1, 2}, {place, 0})}),
               {0, 8})
        .y;
  };
  CHECK(y("bicubic", 1.0f) == std::vector<float>{8.75f});  // half a pixel outside: 0, 8, 8, 8
  CHECK(y("bicubic", 3.0f) == std::vector<float>{8});
  CHECK(y("bilinear", 1.0f) == std::vector<float>{8});
}
