// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/lower/window.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "tests/convert/imported.hpp"
#include "tests/convert/onnx_writer.hpp"

using namespace onnx_writer;
using imported::run;

TEST_CASE("MaxUnpool puts values back where MaxPool found them") {
  const names window{attribute("kernel_shape", dims{2}), attribute("strides", dims{2})};
  const std::string pool = node("MaxPool", {"x"}, {"p", "i"}, window);
  const auto file = [&](const names& in, const names& initializers, std::int64_t extent) {
    return model(graph({{pool, node("MaxUnpool", in, {"y"}, window)},
                        initializers,
                        {info("x", 1, {1, 2, extent})},
                        {info("y", 1, {})}}));
  };
  const std::vector<float> x{1, 5, 4, 3, 9, 7, 2, 8};
  CHECK(run(file({"p", "i"}, {}, 4), x).y == std::vector<float>{0, 5, 4, 0, 9, 0, 0, 8});
  // an extent that the window does not divide has to be told
  const std::vector<float> odd{1, 5, 4, 3, 6, 9, 7, 2, 8, 6};
  CHECK(run(file({"p", "i", "shape"}, {integers("shape", {1, 2, 5})}, 5), odd).y ==
        std::vector<float>{0, 5, 4, 0, 0, 9, 0, 0, 8, 0});
}
