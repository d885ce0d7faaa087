// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "dsmm/convert/quantize/adopt_grids.hpp"
#include "tests/convert/prune_case.hpp"

namespace qdq_case {

using namespace prune_case;

/// A network between conversions, as exporters of quantized models write it.
struct qdq_net : net {
  std::uint32_t scalar(float v) { return add_constant(g, dtype::f32, {}, std::as_bytes(std::span(&v, 1))); }
  std::uint32_t zero(std::uint8_t v) { return add_constant(g, dtype::u8, {}, std::as_bytes(std::span(&v, 1))); }

  std::uint32_t rounded(std::uint32_t x, float scale, std::uint8_t zero_point) {
    const std::uint32_t s = scalar(scale), z = zero(zero_point);
    const std::uint32_t q = op(op_kind::nd_quantize, {x, s, z}, dims(x), {0, 0, 1});
    g.values[q].type = dtype::u8;
    return op(op_kind::nd_dequantize, {q, s, z}, dims(x), {0, 0});
  }
  /// (out, in, k, k) multiples of a scale per output channel, as a folded constant.
  std::uint32_t codes(dim_list d, float scale) {
    std::vector<float> w(static_cast<std::size_t>(count_of(d)));
    constant_scales scales;
    const std::size_t row = w.size() / static_cast<std::size_t>(d[0]);
    for (std::int64_t o = 0; o < d[0]; ++o) scales.scale.push_back(scale * static_cast<float>(1 + o % 3));
    for (std::size_t i = 0; i < w.size(); ++i)
      w[i] = scales.scale[i / row] * (static_cast<float>(random.below(255)) - 127.0f);
    const std::uint32_t c = add_constant(g, dtype::f32, std::move(d), std::as_bytes(std::span(w)));
    g.values[c].scales = std::make_shared<const constant_scales>(std::move(scales));
    return c;
  }
  std::uint32_t quantized_conv(std::uint32_t x, std::int64_t out, std::int32_t kernel) {
    const std::uint32_t w = codes({out, dims(x)[1], kernel, kernel}, 0.002f), b = weights({out}, 0.1f);
    const std::int32_t pad = kernel / 2;
    return op(op_kind::nd_conv, {x, w, b}, {1, out, dims(x)[2], dims(x)[3]},
              {1, 2, 0, 0, 0, 1, 1, 1, 1, 1, 1, pad, pad, 0, pad, pad, 0});
  }
};

inline std::vector<float> output_of(const lowered_graph& g, file_bytes&& file, std::uint64_t seed) {
  auto run = sample_run::prepare(std::move(file), g.inputs, options());
  REQUIRE(run.has_value());
  REQUIRE((*run)->run(samples(1, seed), 0));
  const auto y = (*run)->f32(g.outputs[0].name);
  return {y.begin(), y.end()};
}

inline std::size_t count(const model& m, op_kind kind) {
  return static_cast<std::size_t>(std::count_if(
      m.ops().begin(), m.ops().end(), [&](const format::op_row& o) { return static_cast<op_kind>(o.kind) == kind; }));
}

/// Levels between what the integer kernels give and what the file says in real arithmetic.
inline void compare(const lowered_graph& g, const file_bytes& adopted, float step, double most) {
  for (std::uint64_t seed = 1; seed < 4; ++seed) {
    lowered_graph plain = g;
    auto file = emit_model(plain, {});
    REQUIRE(file.has_value());
    auto copy = file_bytes::allocate(adopted.bytes().size());
    REQUIRE(copy.has_value());
    std::memcpy(copy->bytes().data(), adopted.bytes().data(), adopted.bytes().size());
    const auto real = output_of(g, std::move(*file), seed), got = output_of(g, std::move(*copy), seed);
    REQUIRE(real.size() == got.size());
    double worst = 0, power = 0;
    for (std::size_t i = 0; i < real.size(); ++i) {
      worst = std::max(worst, std::abs(static_cast<double>(real[i] - got[i])) / static_cast<double>(step));
      power += static_cast<double>(real[i] * real[i]);
    }
    CHECK(worst <= most);
    CHECK(power > 0);
  }
}

}  // namespace qdq_case
