// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "dsmm/convert/emit_model.hpp"
#include "dsmm/convert/quantize/quantize.hpp"
#include "dsmm/core/thread_pool.hpp"
#include "tests/convert/prune_case.hpp"

namespace transformer_case {

using namespace prune_case;

inline constexpr std::int64_t steps = 13, width = 24, heads = 3, depth = 8;

/// One block of an encoder, x (1, 13, 24): layer norm, one product that makes q, k and v of three heads, attention, a
/// projection, the residual sum.
struct block : net {
  std::uint32_t x = input({1, steps, width}), norm = no_value, sum = no_value;

  static std::int32_t one() { return std::bit_cast<std::int32_t>(1.0f); }

  std::uint32_t product(std::uint32_t a, std::uint32_t b, dim_list out, std::uint32_t bias = no_value) {
    std::vector<std::uint32_t> in{a, b};
    if (bias != no_value) in.push_back(bias);
    return op(op_kind::nd_matmul, std::move(in), std::move(out), {0, 0, one(), one(), 0, 0, 0});
  }

  /// loud     factor of gamma for every eighth channel.
  /// meant    the product behind it weighs those channels down again, as in trained nets.
  /// scale    of the scores; 1 / sqrt(8) is what attention means.
  explicit block(float loud = 1.0f, bool meant = true, double scale = 1.0 / std::sqrt(8.0)) {
    std::vector<float> gamma(width, 1.0f), beta(width, 0.1f);
    for (std::size_t c = 0; c < gamma.size(); c += 8) gamma[c] = loud, beta[c] = -0.2f * loud;
    const std::uint32_t g1 = add_constant(g, dtype::f32, {width}, std::as_bytes(std::span(gamma)));
    const std::uint32_t b1 = add_constant(g, dtype::f32, {width}, std::as_bytes(std::span(beta)));
    norm = op(op_kind::nd_layer_norm, {x, g1, b1}, {1, steps, width}, {2, std::bit_cast<std::int32_t>(1e-5f), 0});
    constexpr std::int64_t all = 3 * width;
    const float size = 1.0f / std::sqrt(static_cast<float>(width));
    std::vector<float> w3(static_cast<std::size_t>(width * all));
    for (std::size_t i = 0; i < w3.size(); ++i)
      w3[i] = size * random.normal() / (meant ? std::abs(gamma[i / static_cast<std::size_t>(all)]) : 1.0f);
    const std::uint32_t mixing = add_constant(g, dtype::f32, {width, all}, std::as_bytes(std::span(w3)));
    const std::uint32_t packed = product(norm, mixing, {1, steps, all}, weights({all}, 0.1f));
    constexpr auto row = static_cast<std::int32_t>(all), d = static_cast<std::int32_t>(depth);
    constexpr auto w = static_cast<std::int32_t>(width), t = static_cast<std::int32_t>(steps);
    const std::uint32_t q0 = op(op_kind::nd_copy, {packed}, {heads, steps, depth}, {0, d, row, 1, 0, 0, 0});
    const std::uint32_t k = op(op_kind::nd_copy, {packed}, {heads, depth, steps}, {w, d, 1, row, 0, 0, 0});
    const std::uint32_t v = op(op_kind::nd_copy, {packed}, {heads, steps, depth}, {2 * w, d, row, 1, 0, 0, 0});
    const auto factor = static_cast<float>(scale);
    const std::uint32_t number = add_constant(g, dtype::f32, {}, std::as_bytes(std::span(&factor, 1)));
    const std::uint32_t q = op(op_kind::nd_binary, {q0, number}, {heads, steps, depth},
                               {static_cast<std::int32_t>(kernels::nd::binary_fn::mul)});
    const std::uint32_t p =
        op(op_kind::nd_softmax, {product(q, k, {heads, steps, steps})}, {heads, steps, steps}, {0, 2});
    const std::uint32_t y = product(p, v, {heads, steps, depth});
    const std::uint32_t by_step = op(op_kind::nd_copy, {y}, {steps, heads, depth}, {0, d, t * d, 1, 0, 0, 0});
    const std::uint32_t joined = op(op_kind::nd_copy, {by_step}, {1, steps, width}, {0, t * w, w, 1, 0, 0, 0});
    const std::uint32_t out = product(joined, weights({width, width}, size), {1, steps, width}, weights({width}, 0.1f));
    sum = op(op_kind::nd_binary, {out, x}, {1, steps, width}, {static_cast<std::int32_t>(kernels::nd::binary_fn::add)});
    output(sum);
  }
};

/// What the graph's only output is on sample i.
inline std::vector<float> output_of(const lowered_graph& g, const sample_set& data, std::size_t i) {
  auto run = sample_run::prepare(g, {}, false, options());
  REQUIRE_MESSAGE(run.has_value(), run.error().text);
  REQUIRE((*run)->run(data, i));
  const auto y = (*run)->f32(g.outputs[0].name);
  return {y.begin(), y.end()};
}

inline file_bytes file_of(const lowered_graph& from) {
  lowered_graph g = from;
  auto file = emit_model(g, {});
  REQUIRE_MESSAGE(file.has_value(), file.error().text);
  return std::move(*file);
}

inline file_bytes quantized(const lowered_graph& g, quantize_report* report, double equalize = 0.5) {
  const file_bytes file = file_of(g);
  const auto m = model::open(file.bytes());
  REQUIRE(m.has_value());
  quantize_options o;
  o.bits = 8;
  o.equalize = equalize;
  o.run = options();
  auto q = quantize_model(*m, samples(6, 11), o, report);
  REQUIRE_MESSAGE(q.has_value(), q.error().text);
  return std::move(*q);
}

inline std::size_t ops_of(const file_bytes& file, op_kind kind) {
  const auto m = model::open(file.bytes());
  REQUIRE(m.has_value());
  return static_cast<std::size_t>(std::count_if(m->ops().begin(), m->ops().end(), [&](const format::op_row& op) {
    return op.kind == static_cast<std::uint32_t>(kind);
  }));
}

/// The only output on one sample.
inline std::vector<float> run(const file_bytes& file, std::uint32_t threads, isa level) {
  thread_pool pool(threads);
  session_options o = options();
  o.exec = pool.handle();
  o.level = level;
  const auto m = model::open(file.bytes());
  REQUIRE(m.has_value());
  auto arena = file_bytes::allocate(*session::required(*m, o));
  auto s = session::prepare(*m, arena->bytes(), o);
  REQUIRE_MESSAGE(s.has_value(), s.error().text);
  std::vector<float> out;
  for (std::uint32_t t = 0; t < m->tensors().size(); ++t)
    if (m->tensors()[t].kind == format::tensor_kind::input) {
      const auto in = s->plain(t);
      REQUIRE(samples(1, 5).load(0, std::span(&in, 1)).has_value());
    }
  s->run();
  for (std::uint32_t t = 0; t < m->tensors().size(); ++t)
    if (m->tensors()[t].kind == format::tensor_kind::output) {
      out.resize(s->plain(t).size() / sizeof(float));
      std::memcpy(out.data(), s->plain(t).data(), out.size() * sizeof(float));
    }
  return out;
}

}  // namespace transformer_case
