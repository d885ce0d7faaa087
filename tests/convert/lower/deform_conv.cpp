// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/lower/deform_conv.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "tests/convert/imported.hpp"
#include "tests/convert/onnx_writer.hpp"

using namespace onnx_writer;
using imported::check_near, imported::run;

TEST_CASE("DeformConv moves its taps by rows and columns, and sees zeros outside") {
  // one tap of weight 2 over a row of three; offsets (rows, columns) per output
  const auto y = [](const std::vector<float>& offset, const names& more = {}, const names& initializers = {}) {
    names in{"x", "w", "offset"}, constants{floats("w", {1, 1, 1, 1}, {2}), floats("offset", {1, 2, 1, 3}, offset)};
    in.insert(in.end(), more.begin(), more.end());
    constants.insert(constants.end(), initializers.begin(), initializers.end());
    return run(one_node(node("DeformConv", in, {"y"}), {1, 1, 1, 3}, constants, 19), {1, 10, 100}).y;
  };
  check_near(y({0, 0, 0, 0, 0, 0}), {2, 20, 200});
  check_near(y({0, 0, 0, 1, 0.5f, -2}), {20, 110, 2});
  check_near(y({0.5f, 1, -0.25f, 0, 0, 0.5f}), {1, 0, 75});
  const names mask{floats("mask", {1, 1, 1, 3}, {1, 0.5f, 0}), floats("bias", {1}, {7})};
  check_near(y({0, 0, 0, 0, 0, 0}, {"bias", "mask"}, mask), {9, 17, 7});
}

TEST_CASE("DeformConv without offsets is a convolution, groups and windows included") {
  const dims shape{1, 4, 5, 6};
  std::vector<float> x(120), w(6 * 2 * 2 * 3);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 11) - 5;
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = static_cast<float>(i % 7) - 3;
  const names window{attribute("group", std::int64_t{2}), attribute("strides", dims{2, 1}),
                     attribute("pads", dims{1, 0, 0, 1}), attribute("dilations", dims{1, 2})};
  names deformed = window;
  deformed.push_back(attribute("offset_group", std::int64_t{2}));
  const std::string weights = floats("w", {6, 2, 2, 3}, w);
  const auto plain = run(one_node(node("Conv", {"x", "w"}, {"y"}, window), shape, {weights}), x);
  const dims offset{1, 2 * 6 * 2, plain.dims[2], plain.dims[3]};
  const std::vector<float> zeros(static_cast<std::size_t>(offset[1] * offset[2] * offset[3]));
  const auto moved = run(one_node(node("DeformConv", {"x", "w", "offset"}, {"y"}, deformed), shape,
                                  {weights, floats("offset", offset, zeros)}, 19),
                         x);
  CHECK(moved.dims == plain.dims);
  check_near(moved.y, plain.y);
}
