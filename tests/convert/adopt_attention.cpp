// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/quantize/adopt_attention.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tests/convert/qdq_case.hpp"

using namespace qdq_case;

namespace {

constexpr std::int64_t steps = 13, width = 24, heads = 3, depth = 8;

/// One block of an encoder between conversions, x (1, 13, 24): a product that makes q, k and v, both operands of the
/// scores scaled, attention, a projection, the residual sum.
struct block : qdq_net {
  std::uint32_t product(std::uint32_t a, std::uint32_t b, dim_list out, bool turned = false, float factor = 1.0f) {
    const auto one = std::bit_cast<std::int32_t>(1.0f);
    return op(op_kind::nd_matmul, {a, b}, std::move(out),
              {0, turned ? 1 : 0, std::bit_cast<std::int32_t>(factor), one, 0, 0, 0});
  }
  std::uint32_t times(std::uint32_t v, float factor) {
    return op(op_kind::nd_binary, {v, scalar(factor)}, dims(v),
              {static_cast<std::int32_t>(kernels::nd::binary_fn::mul)});
  }

  /// spread         the scale of the scores is in q and k, each rounded; else in the product of both.
  /// probabilities  their step; 0: neither they nor the scores are rounded.
  explicit block(bool spread = true, float probabilities = 1.0f / 255.0f) {
    constexpr std::int64_t all = 3 * width;
    constexpr auto row = static_cast<std::int32_t>(all), d = static_cast<std::int32_t>(depth);
    constexpr auto w = static_cast<std::int32_t>(width), t = static_cast<std::int32_t>(steps);
    const std::uint32_t x = rounded(input({1, steps, width}), 0.03f, 128);
    const std::uint32_t packed = rounded(product(x, codes({all, width}, 0.0008f), {1, steps, all}, true), 0.02f, 125);
    std::uint32_t q = op(op_kind::nd_copy, {packed}, {heads, steps, depth}, {0, d, row, 1, 0, 0, 0});
    std::uint32_t k = op(op_kind::nd_copy, {packed}, {heads, depth, steps}, {w, d, 1, row, 0, 0, 0});
    q = rounded(q, 0.02f, 125), k = rounded(k, 0.02f, 125);
    const std::uint32_t v =
        rounded(op(op_kind::nd_copy, {packed}, {heads, steps, depth}, {2 * w, d, row, 1, 0, 0, 0}), 0.02f, 125);
    if (spread) q = rounded(times(q, 0.59f), 0.012f, 127), k = rounded(times(k, 0.59f), 0.0115f, 121);
    const float scale = spread ? 1.0f : 1.0f / std::sqrt(static_cast<float>(depth));
    std::uint32_t p = product(q, k, {heads, steps, steps}, false, scale);
    if (probabilities > 0) p = rounded(p, 0.03f, 119);
    p = op(op_kind::nd_softmax, {p}, {heads, steps, steps}, {0, 2});
    if (probabilities > 0) p = rounded(p, probabilities, 0);
    const std::uint32_t y = rounded(product(p, v, {heads, steps, depth}), 0.015f, 130);
    const std::uint32_t by_step = op(op_kind::nd_copy, {y}, {steps, heads, depth}, {0, d, t * d, 1, 0, 0, 0});
    const std::uint32_t joined =
        rounded(op(op_kind::nd_copy, {by_step}, {1, steps, width}, {0, t * w, w, 1, 0, 0, 0}), 0.015f, 130);
    const std::uint32_t out =
        rounded(product(joined, codes({width, width}, 0.001f), {1, steps, width}, true), 0.03f, 128);
    const std::uint32_t sum =
        op(op_kind::nd_binary, {out, x}, {1, steps, width}, {static_cast<std::int32_t>(kernels::nd::binary_fn::add)});
    output(rounded(product(rounded(sum, 0.04f, 128), codes({5, width}, 0.001f), {1, steps, 5}, true), 0.04f, 128));
  }
};

file_bytes adopted(const lowered_graph& g) {
  auto file = adopt_grids(g, {}, options());
  REQUIRE(file.has_value());
  REQUIRE(file->has_value());
  return std::move(**file);
}

std::size_t ops_of(const file_bytes& file, op_kind kind) {
  const auto m = model::open(file.bytes());
  REQUIRE(m.has_value());
  return count(*m, kind);
}

}  // namespace

TEST_CASE("attention between conversions runs on integers and rounds where the file does") {
  for (const bool spread : {true, false}) {
    const block b(spread);
    const file_bytes file = adopted(b.g);
    CHECK(ops_of(file, op_kind::attention) == 1);
    CHECK(ops_of(file, op_kind::linear) == 5);
    CHECK(ops_of(file, op_kind::lut) == (spread ? 2u : 0u));
    CHECK(ops_of(file, op_kind::add) == 1);
    for (const op_kind f32 : {op_kind::nd_matmul, op_kind::nd_softmax, op_kind::nd_binary, op_kind::nd_quantize})
      CHECK(ops_of(file, f32) == 0);
    compare(b.g, file, 0.04f, 3.001);  // steps that differ by one in q, k, scores and sums add up
  }
}

TEST_CASE("attention whose scores and probabilities are not rounded is the plain integer op, at its own scale") {
  const block b(false, 0.0f);
  const file_bytes file = adopted(b.g);
  CHECK(ops_of(file, op_kind::attention) == 1);
  CHECK(ops_of(file, op_kind::nd_softmax) == 0);
  compare(b.g, file, 0.04f, 3.001);
  const block other(true, 0.0f);  // 0.59^2 is no 1 / sqrt(8)
  CHECK(ops_of(adopted(other.g), op_kind::attention) == 0);
}

TEST_CASE("attention whose probabilities have steps too fine for the integer op stays in f32") {
  const block b(true, 0x1p-17f);
  const file_bytes file = adopted(b.g);
  CHECK(ops_of(file, op_kind::attention) == 0);
  CHECK(ops_of(file, op_kind::nd_softmax) == 1);
  compare(b.g, file, 0.04f, 3.001);
}

TEST_CASE("functions of one value in a row are one table, rounded in between where the file rounds") {
  qdq_net n;
  const auto one = std::bit_cast<std::int32_t>(1.0f);
  const auto product = [&](std::uint32_t x, std::int64_t in, std::int64_t out) {
    return n.op(op_kind::nd_matmul, {x, n.codes({out, in}, 0.001f)}, {1, 9, out}, {0, 1, one, one, 0, 0, 0});
  };
  const auto binary = [&](kernels::nd::binary_fn fn, std::uint32_t a, std::uint32_t b) {
    return n.op(op_kind::nd_binary, {a, b}, {1, 9, 16}, {static_cast<std::int32_t>(fn)});
  };
  using fn = kernels::nd::binary_fn;
  const std::uint32_t x = n.rounded(product(n.rounded(n.input({1, 9, 24}), 0.03f, 128), 24, 16), 0.03f, 128);
  const std::uint32_t half = binary(fn::div, x, n.scalar(1.4142135f));  // GELU as it is exported; no grid here
  const std::uint32_t erf = n.rounded(
      n.op(op_kind::nd_unary, {half}, {1, 9, 16}, {static_cast<std::int32_t>(kernels::nd::unary_fn::erf), 0, 0}),
      0.0079f, 128);
  const std::uint32_t gate = n.rounded(binary(fn::add, erf, n.scalar(1.0f)), 0.0079f, 0);
  const std::uint32_t gelu = n.rounded(binary(fn::mul, x, gate), 0.03f, 12);
  n.output(n.rounded(product(gelu, 16, 5), 0.03f, 128));
  const file_bytes file = adopted(n.g);
  CHECK(ops_of(file, op_kind::lut) == 1);
  CHECK(ops_of(file, op_kind::linear) == 2);
  for (const op_kind other : {op_kind::nd_unary, op_kind::nd_binary, op_kind::mul}) CHECK(ops_of(file, other) == 0);
  compare(n.g, file, 0.03f, 2.001);
}

TEST_CASE("layer norms and sums between conversions keep the residual stream on integers") {
  qdq_net n;
  const auto one = std::bit_cast<std::int32_t>(1.0f);
  const std::uint32_t x = n.rounded(n.input({1, 9, 24}), 0.03f, 128);
  const std::uint32_t shift = n.weights({1, 9, 24}, 0.3f);  // a constant tensor: an op that stays in f32
  const std::uint32_t start = n.rounded(n.op(op_kind::nd_binary, {x, shift}, {1, 9, 24}, {0}), 0.035f, 128);
  const std::uint32_t gamma = n.weights({24}, 1.0f), beta = n.weights({24}, 0.1f);
  const auto norm = [&](std::uint32_t v) {
    return n.rounded(
        n.op(op_kind::nd_layer_norm, {v, gamma, beta}, {1, 9, 24}, {2, std::bit_cast<std::int32_t>(1e-5f), 0}), 0.03f,
        128);
  };
  const auto product = [&](std::uint32_t v, std::int64_t out) {
    return n.op(op_kind::nd_matmul, {v, n.codes({out, 24}, 0.001f)}, {1, 9, out}, {0, 1, one, one, 0, 0, 0});
  };
  const std::uint32_t sum = n.rounded(
      n.op(op_kind::nd_binary, {n.rounded(product(norm(start), 24), 0.03f, 128), start}, {1, 9, 24}, {0}), 0.05f, 128);
  n.output(n.rounded(product(norm(sum), 5), 0.03f, 128));
  const file_bytes file = adopted(n.g);
  CHECK(ops_of(file, op_kind::layer_norm) == 2);
  CHECK(ops_of(file, op_kind::add) == 1);
  CHECK(ops_of(file, op_kind::nd_layer_norm) == 0);
  CHECK(ops_of(file, op_kind::nd_binary) == 1);
  compare(n.g, file, 0.03f, 3.001);
}
