// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/lower/col2im.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "tests/convert/imported.hpp"
#include "tests/convert/onnx_writer.hpp"

using namespace onnx_writer;
using imported::run;

TEST_CASE("Col2Im adds overlapping blocks, and leaves out what falls into the padding") {
  // a series of four, blocks of three that move by one, one place of padding: (N, C * 3, 4)
  const names attributes{attribute("pads", dims{1, 1})};
  const std::string file = one_node(node("Col2Im", {"x", "image", "block"}, {"y"}, attributes), {1, 3, 4},
                                    {integers("image", {4}), integers("block", {3})}, 18);
  const std::vector<float> x{1, 2, 3, 4, 10, 20, 30, 40, 100, 200, 300, 400};
  const auto r = run(file, x);
  CHECK(r.dims == dims{1, 1, 4});
  CHECK(r.y == std::vector<float>{2 + 10, 3 + 20 + 100, 4 + 30 + 200, 40 + 300});
}

TEST_CASE("Col2Im keeps items and channels apart, over two axes with dilation") {
  const names attributes{attribute("dilations", dims{1, 2}), attribute("strides", dims{1, 1})};
  const std::string file = one_node(node("Col2Im", {"x", "image", "block"}, {"y"}, attributes), {1, 4, 1},
                                    {integers("image", {1, 3}), integers("block", {1, 2})}, 18);
  const auto r = run(file, {1, 2, 3, 4});
  CHECK(r.dims == dims{1, 2, 1, 3});
  CHECK(r.y == std::vector<float>{1, 0, 2, 3, 0, 4});
}

TEST_CASE("Col2Im refuses columns that are not the image's blocks") {
  const std::string file = one_node(node("Col2Im", {"x", "image", "block"}, {"y"}), {1, 3, 4},
                                    {integers("image", {4}), integers("block", {3})}, 18);
  dsmm::convert::import_report report;
  const auto r = dsmm::convert::import_onnx(bytes(file), imported::options(), &report);
  REQUIRE(!r);
  CHECK(r.error().code == dsmm::errc::shape_mismatch);
}
