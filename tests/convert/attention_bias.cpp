// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/quantize/attention_bias.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <vector>

#include "tests/convert/transformer_case.hpp"

using namespace transformer_case;

namespace {

constexpr std::int64_t windows = 4, tokens = 9;

/// Attention in four windows of nine tokens, x (4, 9, 24), as shifted windows have it: a bias for each head, a mask for
/// each window. Windows 0 and 1 see everything, the others have masks of their own.
struct windowed : net {
  std::uint32_t product(std::uint32_t a, std::uint32_t b, dim_list out) {
    const auto one = std::bit_cast<std::int32_t>(1.0f);
    return op(op_kind::nd_matmul, {a, b}, std::move(out), {0, 0, one, one, 0, 0, 0});
  }
  std::uint32_t binary(kernels::nd::binary_fn fn, std::uint32_t a, std::uint32_t b) {
    return op(op_kind::nd_binary, {a, b}, dims(a), {static_cast<std::int32_t>(fn)});
  }

  explicit windowed(bool masked = true) {
    constexpr std::int64_t all = 3 * width;
    constexpr auto row = static_cast<std::int32_t>(all), d = static_cast<std::int32_t>(depth);
    constexpr auto w = static_cast<std::int32_t>(width), t = static_cast<std::int32_t>(tokens);
    constexpr std::int32_t square = t * t, h = static_cast<std::int32_t>(heads);
    const float size = 1.0f / std::sqrt(static_cast<float>(width)), scale = 1.0f / std::sqrt(static_cast<float>(depth));
    const std::uint32_t packed =
        product(input({windows, tokens, width}), weights({width, all}, size), {windows, tokens, all});
    const std::uint32_t q0 =
        op(op_kind::nd_copy, {packed}, {windows, heads, tokens, depth}, {0, t * row, d, row, 1, 0, 0});
    const std::uint32_t k =
        op(op_kind::nd_copy, {packed}, {windows, heads, depth, tokens}, {w, t * row, d, 1, row, 0, 0});
    const std::uint32_t v =
        op(op_kind::nd_copy, {packed}, {windows, heads, tokens, depth}, {2 * w, t * row, d, row, 1, 0, 0});
    const std::uint32_t number = add_constant(g, dtype::f32, {}, std::as_bytes(std::span(&scale, 1)));
    std::uint32_t p = product(binary(kernels::nd::binary_fn::mul, q0, number), k, {windows, heads, tokens, tokens});
    p = binary(kernels::nd::binary_fn::add, p, weights({1, heads, tokens, tokens}, 0.5f));
    if (masked) {
      std::vector<float> mask(static_cast<std::size_t>(windows * square), 0.0f);
      for (std::size_t i = 0; i < mask.size(); ++i)
        if (i >= 2 * square && (i / 9 + i % 9 + i / square) % 3 == 0) mask[i] = -100.0f;
      p = op(op_kind::nd_copy, {p}, {1, windows, heads, tokens, tokens}, {0, 0, h * square, square, t, 1, 0});
      p = binary(kernels::nd::binary_fn::add, p,
                 add_constant(g, dtype::f32, {1, windows, 1, tokens, tokens}, std::as_bytes(std::span(mask))));
      p = op(op_kind::nd_copy, {p}, {windows, heads, tokens, tokens}, {0, h * square, square, t, 1, 0, 0});
    }
    p = op(op_kind::nd_softmax, {p}, {windows, heads, tokens, tokens}, {0, 3});
    const std::uint32_t y = product(p, v, {windows, heads, tokens, depth});
    const std::uint32_t by_token =
        op(op_kind::nd_copy, {y}, {windows, tokens, heads, depth}, {0, t * w, d, t * d, 1, 0, 0});
    const std::uint32_t joined = op(op_kind::nd_copy, {by_token}, {windows, tokens, width}, {0, t * w, w, 1, 0, 0, 0});
    output(product(joined, weights({width, width}, size), {windows, tokens, width}));
  }
};

}  // namespace

TEST_CASE("attention in windows: what is added to scores is found once for each distinct window") {
  windowed b;
  const auto found = find_attention(b.g, true);
  REQUIRE(found.size() == 1);
  CHECK(found[0].windows == windows);
  CHECK(found[0].heads == heads);
  const auto bias = bias_of(b.g, found[0]);
  REQUIRE(bias.has_value());
  CHECK(bias->kinds == 3);
  CHECK(bias->heads == heads);
  CHECK(bias->kind == std::vector<std::int32_t>{0, 0, 1, 2});
  CHECK(bias->values.size() == 3 * heads * tokens * tokens);
  windowed plain(false);
  const auto one = bias_of(plain.g, find_attention(plain.g, true)[0]);
  REQUIRE(one.has_value());
  CHECK(one->kinds == 1);
}

TEST_CASE("attention in windows runs on integers, near the fp32 model, with the same bits everywhere") {
  for (const bool masked : {true, false}) {
    const windowed b(masked);
    quantize_report report;
    const file_bytes file = quantized(b.g, &report);
    CHECK(ops_of(file, op_kind::attention) == 1);
    CHECK(ops_of(file, op_kind::linear) == 4);
    for (const op_kind f32 : {op_kind::nd_softmax, op_kind::nd_matmul, op_kind::nd_binary})
      CHECK(ops_of(file, f32) == 0);
    CHECK(report.calibration[0].sqnr_db() > 32);
    const auto wanted = run(file, 1, isa::generic);
    for (const isa_row& row : isa_rows)
      if (row.here()) CHECK(run(file, 3, row.id) == wanted);
  }
}

TEST_CASE("a bias that is not a number stays in f32") {
  windowed b(false);
  for (lowered_op& op : b.g.ops)
    if (op.kind == op_kind::nd_binary && op.attributes[0] == static_cast<std::int32_t>(kernels::nd::binary_fn::add)) {
      std::vector<float> values(static_cast<std::size_t>(heads * tokens * tokens), 0.0f);
      values[5] = std::nanf("");
      op.inputs[1] = add_constant(b.g, dtype::f32, {1, heads, tokens, tokens}, std::as_bytes(std::span(values)));
      break;
    }
  CHECK_FALSE(bias_of(b.g, find_attention(b.g, true)[0]).has_value());
}
