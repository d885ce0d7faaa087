// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/lower/signal.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "tests/convert/imported.hpp"
#include "tests/convert/onnx_writer.hpp"

using namespace onnx_writer;
using imported::run;

TEST_CASE("the inverse of one side of a spectrum gives the signal, of even and odd length") {
  for (const std::int64_t n : {6, 7}) {
    std::vector<float> x{3, -1, 4, 1, -5, 9, 2};
    x.resize(static_cast<std::size_t>(n));
    const names forward{attribute("onesided", std::int64_t{1}), attribute("axis", std::int64_t{1})};
    names back = forward;
    back.push_back(attribute("inverse", std::int64_t{1}));
    const std::string file = model(graph({{node("DFT", {"x"}, {"s"}, forward), node("DFT", {"s", "n"}, {"y"}, back)},
                                          {tensor_of<std::int64_t>("n", 7, {}, {n})},
                                          {info("x", 1, {1, n, 1})},
                                          {info("y", 1, {})}}));
    const auto r = run(file, x);
    CHECK(r.dims == dims{1, n, 1});
    for (std::size_t i = 0; i < x.size(); ++i) CHECK(std::fabs(r.y[i] - x[i]) < 1e-5f);
  }
}
