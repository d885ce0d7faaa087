// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/pass/integer_scale.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include "dsmm/convert/emit_model.hpp"
#include "dsmm/convert/pass/absorb.hpp"
#include "tests/convert/prune_case.hpp"

using namespace prune_case;

namespace {

/// What quantize_dynamic makes of a layer: dynamic_quantize, product, cast, times (x_scale * w_scale), plus bias.
struct dynamic_net : net {
  std::uint32_t f32(dim_list d, float low) {
    std::vector<float> v(static_cast<std::size_t>(count_of(d)));
    for (float& x : v) x = random.uniform(low, low + 0.5f);
    return add_constant(g, dtype::f32, std::move(d), std::as_bytes(std::span(v)));
  }
  std::uint32_t bytes(dtype type, dim_list d) {
    std::vector<std::uint8_t> v(static_cast<std::size_t>(count_of(d)));
    for (std::uint8_t& x : v) x = static_cast<std::uint8_t>(random.below(256));
    return add_constant(g, type, std::move(d), std::as_bytes(std::span(v)));
  }
  std::uint32_t typed(dtype type, dim_list d) {
    g.values.push_back({type, std::move(d)});
    return static_cast<std::uint32_t>(g.values.size() - 1);
  }
  /// scale_dims, bias_dims: of the weights' scale and of what is added.
  std::uint32_t layer(std::uint32_t x, op_kind kind, std::uint32_t w, dim_list y, std::vector<std::int32_t> attributes,
                      dim_list scale_dims, dim_list bias_dims) {
    const std::uint32_t q = typed(dtype::u8, dims(x)), s = typed(dtype::f32, {}), z = typed(dtype::u8, {});
    g.ops.push_back({op_kind::nd_dynamic_quantize, "q", {x}, {q, s, z}, {}});
    const std::uint32_t wz = bytes(g.values[w].type, {});
    const std::uint32_t sum = typed(dtype::s32, y);
    g.ops.push_back({kind, "product", {q, w, z, wz}, {sum}, std::move(attributes)});
    const std::uint32_t real = op(op_kind::nd_cast, {sum}, y, {1});
    const std::uint32_t ws = f32(scale_dims, 0.01f);
    const std::uint32_t both = op(op_kind::nd_binary, {s, ws}, scale_dims, {2});
    const std::uint32_t scaled = op(op_kind::nd_binary, {real, both}, y, {2});
    return op(op_kind::nd_binary, {f32(std::move(bias_dims), -1.0f), scaled}, y, {0});
  }
};

/// The output's bits, as the graph stands.
std::vector<float> output_of(lowered_graph g) {
  auto file = emit_model(g, {});
  REQUIRE(file.has_value());
  auto run = sample_run::prepare(std::move(*file), g.inputs, options());
  REQUIRE(run.has_value());
  REQUIRE((*run)->run(samples(1, 5), 0));
  const auto y = (*run)->f32(g.outputs[0].name);
  return {y.begin(), y.end()};
}

std::size_t count(const lowered_graph& g, op_kind kind) {
  return static_cast<std::size_t>(
      std::count_if(g.ops.begin(), g.ops.end(), [&](const lowered_op& op) { return op.kind == kind; }));
}

void same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  CHECK(std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

}  // namespace

TEST_CASE("integer products take in cast, scale and bias, and no bit changes") {
  for (const bool per_column : {false, true})
    for (const dtype type : {dtype::s8, dtype::u8}) {
      dynamic_net n;
      const std::uint32_t x = n.input({3, 5, 20});
      const dim_list scale = per_column ? dim_list{7} : dim_list{};
      n.output(n.layer(x, op_kind::nd_matmul_integer, n.bytes(type, {20, 7}), {3, 5, 7}, {}, scale, {7}));
      const auto before = output_of(n.g);
      fuse(n.g);
      CHECK(count(n.g, op_kind::nd_cast) == 0);
      CHECK(n.g.ops.size() == 3);
      CHECK(n.g.ops.back().inputs.size() == 6);
      same_bits(output_of(n.g), before);
    }
}

TEST_CASE("integer convolutions take in cast, scale, bias and activation, and no bit changes") {
  for (const std::int32_t groups : {1, 6}) {
    dynamic_net n;
    const std::uint32_t x = n.input({1, 6, 9, 11});
    const std::uint32_t w = n.bytes(dtype::u8, {12, 6 / groups, 3, 3});
    const std::uint32_t y = n.layer(x, op_kind::nd_conv_integer, w, {1, 12, 9, 11},
                                    {groups, 2, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 0}, {}, {1, 12, 1, 1});
    n.output(n.op(op_kind::nd_unary, {y}, n.dims(y), {1, 0, 0}));
    const auto before = output_of(n.g);
    fuse(n.g);
    CHECK(n.g.ops.size() == 3);
    CHECK(n.g.ops.back().kind == op_kind::nd_conv_integer);
    CHECK(n.g.ops.back().attributes[2] == 1);
    same_bits(output_of(n.g), before);
  }
}

TEST_CASE("integer products keep what is not theirs: a scale per row, a sum that others read") {
  dynamic_net n;
  const std::uint32_t x = n.input({4, 8});
  n.output(n.layer(x, op_kind::nd_matmul_integer, n.bytes(dtype::s8, {8, 4}), {4, 4}, {}, {4, 1}, {4}));
  const auto before = output_of(n.g);
  fuse(n.g);
  CHECK(count(n.g, op_kind::nd_cast) == 1);
  same_bits(output_of(n.g), before);

  dynamic_net shared;
  const std::uint32_t u = shared.input({4, 8});
  const std::uint32_t y =
      shared.layer(u, op_kind::nd_matmul_integer, shared.bytes(dtype::s8, {8, 4}), {4, 4}, {}, {}, {4});
  const auto cast = std::find_if(shared.g.ops.begin(), shared.g.ops.end(),
                                 [](const lowered_op& op) { return op.kind == op_kind::nd_cast; });
  const std::uint32_t sum = cast->inputs[0];
  shared.output(y);
  shared.output(shared.op(op_kind::nd_cast, {sum}, {4, 4}, {1}));
  fuse(shared.g);
  CHECK(count(shared.g, op_kind::nd_cast) == 2);
}
