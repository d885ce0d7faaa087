// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/lower/center_crop_pad.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "tests/convert/imported.hpp"
#include "tests/convert/onnx_writer.hpp"

using namespace onnx_writer;
using imported::run;

TEST_CASE("CenterCropPad cuts long axes and fills up short ones") {
  const auto r = run(one_node(node("CenterCropPad", {"x", "shape"}, {"y"}), {4, 1}, {integers("shape", {1, 4})}, 18),
                     {1, 2, 3, 4});
  CHECK(r.dims == dims{1, 4});
  CHECK(r.y == std::vector<float>{0, 2, 0, 0});
  const names axes{attribute("axes", dims{-1})};
  CHECK(
      run(one_node(node("CenterCropPad", {"x", "shape"}, {"y"}, axes), {1, 3}, {integers("shape", {2})}, 18), {1, 2, 3})
          .y == std::vector<float>{1, 2});
}
