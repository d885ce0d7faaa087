// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dsmm/convert/calibrate/read_graph.hpp"
#include "dsmm/convert/calibrate/sample_run.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/core/rng.hpp"
#include "dsmm/ops/nd/registry.hpp"

namespace prune_case {

using namespace dsmm;
using namespace dsmm::convert;

/// Builds small networks by hand.
struct net {
  lowered_graph g;
  rng random{7};

  std::uint32_t value(dim_list dims) {
    g.values.push_back({dtype::f32, std::move(dims)});
    return static_cast<std::uint32_t>(g.values.size() - 1);
  }
  std::uint32_t input(dim_list dims) {
    const std::uint32_t v = value(std::move(dims));
    g.values[v].is_input = true;
    g.inputs.push_back({"x" + std::to_string(v), v});
    return v;
  }
  std::uint32_t weights(dim_list dims, float scale) {
    std::vector<float> w(static_cast<std::size_t>(count_of(dims)));
    for (float& v : w) v = scale * random.normal();
    return add_constant(g, dtype::f32, std::move(dims), std::as_bytes(std::span(w)));
  }
  std::uint32_t op(op_kind kind, std::vector<std::uint32_t> in, dim_list out, std::vector<std::int32_t> attributes) {
    const std::uint32_t y = value(std::move(out));
    g.ops.push_back({kind, "op" + std::to_string(g.ops.size()), std::move(in), {y}, std::move(attributes)});
    return y;
  }
  const dim_list& dims(std::uint32_t v) const { return g.values[v].dims; }

  /// Stride 1, padding that keeps the size; relu after it.
  std::uint32_t conv(std::uint32_t x, std::int64_t out, std::int32_t kernel, std::int32_t groups = 1,
                     std::uint32_t residual = no_value) {
    const dim_list d = dims(x);
    const auto depth = static_cast<float>(d[1] / groups * kernel * kernel);
    const std::uint32_t w = weights({out, d[1] / groups, kernel, kernel}, 1.4f / __builtin_sqrtf(depth));
    const std::uint32_t b = weights({out}, 0.1f);
    const std::int32_t pad = kernel / 2;
    std::vector<std::uint32_t> in = {x, w, b};
    if (residual != no_value) in.push_back(residual);
    return op(op_kind::nd_conv, std::move(in), {d[0], out, d[2], d[3]},
              {groups, 2, 1, 0, 0, 1, 1, 1, 1, 1, 1, pad, pad, 0, pad, pad, 0});
  }
  std::uint32_t flatten(std::uint32_t x) {
    const dim_list d = dims(x);
    const std::int64_t n = d[1] * d[2] * d[3];
    return op(op_kind::nd_copy, {x}, {d[0], n}, {0, static_cast<std::int32_t>(n), 1, 0, 0, 0, 0});
  }
  std::uint32_t linear(std::uint32_t x, std::int64_t out) {
    const dim_list d = dims(x);
    const std::uint32_t w = weights({d[1], out}, 1.0f / __builtin_sqrtf(static_cast<float>(d[1])));
    const auto one = std::bit_cast<std::int32_t>(1.0f);
    return op(op_kind::nd_matmul, {x, w}, {d[0], out}, {0, 0, one, one, 0, 0, 0});
  }
  std::uint32_t concat(std::uint32_t a, std::uint32_t b) {
    dim_list d = dims(a);
    d[1] += dims(b)[1];
    return op(op_kind::nd_concat, {a, b}, d, {1});
  }
  std::uint32_t max_pool(std::uint32_t x) {
    dim_list d = dims(x);
    d[2] /= 2, d[3] /= 2;
    return op(op_kind::nd_pool, {x}, d, {0, 2, 1, 0, 0, 0, 2, 2, 1, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0});
  }
  void output(std::uint32_t v) { g.outputs.push_back({"y" + std::to_string(v), v}); }
};

inline session_options options() {
  session_options o;
  o.general = &ops::nd::find_definition;
  return o;
}

/// Smooth random fields, as photos are: neighbours alike, channels correlated.
inline sample_set samples(std::size_t count, std::uint64_t seed) {
  return {count, [seed](std::size_t i, std::span<const std::span<std::byte>> inputs) -> result<void> {
            rng random = rng(seed).stream(i);
            for (const auto& to : inputs) {
              std::vector<float> v(to.size() / sizeof(float));
              float last = 0;
              for (float& x : v) x = last = 0.7f * last + random.normal();
              if (!v.empty()) std::memcpy(to.data(), v.data(), to.size());
            }
            return {};
          }};
}

}  // namespace prune_case
