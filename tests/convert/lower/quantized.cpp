// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/lower/quantized.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tests/convert/imported.hpp"
#include "tests/convert/onnx_writer.hpp"

using namespace onnx_writer;
using imported::run;

namespace {

/// A linear layer of 4 to 3 channels between conversions, its weights (3, 4) turned as torch.export turns them.
std::string turned_linear(const std::vector<float>& scales) {
  const auto n = static_cast<std::int64_t>(scales.size());
  const dims by_channel = n == 1 ? dims{} : dims{n};
  const std::vector<std::int8_t> codes{1, -127, 64, 3, 127, 5, -9, 33, -80, 12, 0, 127},
      zeros(static_cast<std::size_t>(n), 0);
  return model(graph(
      {{node("QuantizeLinear", {"x", "xs", "xz"}, {"xq"}), node("DequantizeLinear", {"xq", "xs", "xz"}, {"xd"}),
        node("DequantizeLinear", {"w", "ws", "wz"}, {"wd"}, {attribute("axis", std::int64_t{0})}),
        node("Transpose", {"wd"}, {"wt"}, {attribute("perm", dims{1, 0})}), node("MatMul", {"xd", "wt"}, {"p"}),
        node("Add", {"b", "p"}, {"s"}), node("QuantizeLinear", {"s", "ys", "yz"}, {"yq"}),
        node("DequantizeLinear", {"yq", "ys", "yz"}, {"y"})},
       {floats("xs", {}, {0.02f}), tensor_of<std::uint8_t>("xz", 2, {}, {128}), floats("ys", {}, {0.03f}),
        tensor_of<std::uint8_t>("yz", 2, {}, {120}), tensor_of("w", 3, {3, 4}, codes), floats("ws", by_channel, scales),
        tensor_of("wz", 3, by_channel, zeros), floats("b", {3}, {0.1f, -0.2f, 0.3f})},
       {info("x", 1, {1, 2, 4})},
       {info("y", 1, {})}}));
}

}  // namespace

TEST_CASE("weights that are turned before a product stay multiples of their scales") {
  const std::vector<float> x{0.5f, -1.0f, 1.5f, 2.0f, -0.25f, 0.75f, -2.0f, 1.0f};
  for (const std::vector<float>& scales : {std::vector<float>{0.01f}, {0.01f, 0.004f, 0.008f}}) {
    const std::string file = turned_linear(scales);
    auto o = imported::options();
    o.integers = true;
    const auto imported = dsmm::convert::import_onnx(bytes(file), o);
    REQUIRE(imported.has_value());
    const auto m = dsmm::model::open(imported->bytes());
    REQUIRE(m);
    CHECK(std::any_of(m->ops().begin(), m->ops().end(), [](const dsmm::format::op_row& op) {
      return op.kind == static_cast<std::uint32_t>(dsmm::op_kind::linear);
    }));
    const auto integers = run(file, x, o), real = run(file, x);
    REQUIRE(integers.y.size() == real.y.size());
    for (std::size_t i = 0; i < real.y.size(); ++i) CHECK(std::fabs(integers.y[i] - real.y[i]) < 0.0301f);
  }
}
