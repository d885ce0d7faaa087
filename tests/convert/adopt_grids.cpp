// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/quantize/adopt_grids.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <vector>

#include "tests/convert/qdq_case.hpp"

using namespace qdq_case;

TEST_CASE("convolutions between conversions run on integers, within a step") {
  qdq_net n;
  const std::uint32_t x = n.rounded(n.input({1, 3, 8, 8}), 0.02f, 128);
  const std::uint32_t a = n.rounded(n.quantized_conv(x, 6, 3), 0.05f, 0);  // a ReLU is all in the clamp
  const std::uint32_t p = n.rounded(n.max_pool(a), 0.05f, 0);
  n.output(n.rounded(n.quantized_conv(p, 5, 1), 0.06f, 117));
  const auto file = adopt_grids(n.g, {}, options());
  REQUIRE(file.has_value());
  REQUIRE(file->has_value());
  const auto m = model::open((**file).bytes());
  REQUIRE(m.has_value());
  CHECK(count(*m, op_kind::conv2d) == 2);
  CHECK(count(*m, op_kind::max_pool) == 1);
  CHECK(count(*m, op_kind::nd_conv) == 0);
  compare(n.g, **file, 0.06f, 2.001);  // one of its own, one that the layer before passed on
}

TEST_CASE("what stays in f32 keeps its clamp") {
  qdq_net n;
  const std::uint32_t x = n.rounded(n.input({1, 4, 6, 6}), 0.02f, 128);
  const std::uint32_t a = n.rounded(n.quantized_conv(x, 4, 3), 0.05f, 131);
  const std::uint32_t sum = n.op(op_kind::nd_binary, {a, x}, n.dims(a), {0});
  n.output(n.rounded(sum, 0.05f, 0));  // nothing behind it needs integers
  const auto file = adopt_grids(n.g, {}, options());
  REQUIRE(file.has_value());
  REQUIRE(file->has_value());
  compare(n.g, **file, 0.05f, 1.001);
}

TEST_CASE("layers whose weights are no multiples stay in f32") {
  qdq_net n;
  const std::uint32_t x = n.rounded(n.input({1, 3, 8, 8}), 0.02f, 128);
  const std::uint32_t a = n.rounded(n.conv(x, 4, 3), 0.05f, 0);
  n.output(n.rounded(n.quantized_conv(a, 5, 1), 0.06f, 117));
  const auto file = adopt_grids(n.g, {}, options());
  REQUIRE(file.has_value());
  REQUIRE(file->has_value());
  const auto m = model::open((**file).bytes());
  REQUIRE(m.has_value());
  CHECK(count(*m, op_kind::conv2d) == 1);
  CHECK(count(*m, op_kind::nd_conv) == 1);
  compare(n.g, **file, 0.06f, 1.001);
  qdq_net real;
  real.output(real.conv(real.input({1, 3, 8, 8}), 4, 3));
  const auto none = adopt_grids(real.g, {}, options());
  REQUIRE(none.has_value());
  CHECK(!none->has_value());
}

TEST_CASE("a channel whose weights are next to nothing does not keep its layer in f32") {
  qdq_net n;
  const std::uint32_t x = n.rounded(n.input({1, 3, 8, 8}), 0.02f, 128);
  const std::uint32_t w = n.codes({6, 3, 3, 3}, 0.002f), b = n.weights({6}, 0.1f);
  auto scales = *n.g.values[w].scales;
  auto bytes = std::make_shared<std::vector<std::byte>>(n.g.values[w].bytes.begin(), n.g.values[w].bytes.end());
  auto* const values = reinterpret_cast<float*>(bytes->data());
  for (std::size_t i = 27; i < 54; ++i) values[i] *= 0x1p-30f;  // channel 1: its factor is below 2^-32
  scales.scale[1] *= 0x1p-30f;
  n.g.values[w].bytes = *bytes;
  n.g.values[w].owned = std::move(bytes);
  n.g.values[w].scales = std::make_shared<const constant_scales>(std::move(scales));
  const std::uint32_t y =
      n.op(op_kind::nd_conv, {x, w, b}, {1, 6, 8, 8}, {1, 2, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 0});
  n.output(n.rounded(y, 0.05f, 120));
  const auto file = adopt_grids(n.g, {}, options());
  REQUIRE(file.has_value());
  REQUIRE(file->has_value());
  CHECK(count(*model::open((**file).bytes()), op_kind::nd_conv) == 0);
  compare(n.g, **file, 0.05f, 1.001);
}

TEST_CASE("zeros that a pad adds between conversions are the padding of the layer behind it") {
  for (const float after : {0.05f, 0.06f}) {  // another grid behind the pad rounds what is inside: it stays
    qdq_net n;
    const std::uint32_t x = n.rounded(n.input({1, 3, 8, 8}), 0.02f, 128);
    const std::uint32_t a = n.rounded(n.quantized_conv(x, 4, 3), 0.05f, 7);
    const std::uint32_t p = n.rounded(n.op(op_kind::nd_pad, {a}, {1, 4, 10, 9}, {0, 0, 0, 2, 1}), after, 7);
    const std::uint32_t w = n.codes({5, 4, 3, 3}, 0.002f), b = n.weights({5}, 0.1f);
    const std::uint32_t y =
        n.op(op_kind::nd_conv, {p, w, b}, {1, 5, 8, 7}, {1, 2, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0});
    n.output(n.rounded(y, 0.06f, 117));
    const auto file = adopt_grids(n.g, {}, options());
    REQUIRE(file.has_value());
    REQUIRE(file->has_value());
    CHECK(count(*model::open((**file).bytes()), op_kind::nd_pad) == (after == 0.05f ? 0u : 1u));
    compare(n.g, **file, 0.06f, 2.001);
  }
}
