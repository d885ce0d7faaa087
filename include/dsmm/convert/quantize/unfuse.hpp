// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/kernels/nd/functions.hpp"
#include "dsmm/model/op_kind.hpp"

namespace dsmm::inline DSMM_ABI::convert {

using kernels::nd::binary_fn;
using kernels::nd::unary_fn;

inline float real_of(std::int32_t bits) noexcept { return std::bit_cast<float>(bits); }

/// What a convolution or product may do to its result without a step of its own in the integer tier: nothing, or a
/// clamp at zero (the upper end of a clip is the end of the range of its u8 result).
inline bool is_clamp_at_zero(std::int32_t fn, std::int32_t alpha) noexcept {
  return fn == static_cast<std::int32_t>(unary_fn::relu) ||
         (fn == static_cast<std::int32_t>(unary_fn::clip) && real_of(alpha) == 0.0f);
}

namespace quantize_impl {

inline std::uint32_t new_value_like(lowered_graph& g, std::uint32_t like) {
  lowered_value v;
  v.type = g.values[like].type;
  v.dims = g.values[like].dims;
  g.values.push_back(std::move(v));
  return static_cast<std::uint32_t>(g.values.size() - 1);
}

/// An average of windows that counts its padding as zeros is a depthwise convolution by equal weights, which the
/// integer tier has; its own averages count what is inside only.
inline void average_by_weights(lowered_graph& g, lowered_op& op) {
  using kernels::nd::pool_fn;
  const auto& a = op.attributes;
  const dim_list dims = g.values[op.inputs[0]].dims;
  bool padded = false;
  for (std::size_t i = 15; i < 21; ++i) padded = padded || a[i] != 0;
  if (a[0] != static_cast<std::int32_t>(pool_fn::average) || a[1] > 2 || a[3] == 0 || a[4] != 0 || !padded) return;
  if (op.outputs.size() != 1 || g.values[op.inputs[0]].type != dtype::f32) return;
  lowered_value w;
  w.dims = {dims[1], 1};
  std::size_t taps = 1;
  for (std::int32_t i = 0; i < a[1]; ++i) {
    w.dims.push_back(a[6 + static_cast<std::size_t>(i)]);
    taps *= static_cast<std::size_t>(w.dims.back());
  }
  const float each = 1.0f / static_cast<float>(taps);
  const std::vector<float> equal(static_cast<std::size_t>(dims[1]) * taps, each);
  const auto bytes = std::as_bytes(std::span(equal));
  w.owned = std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end());
  w.bytes = *w.owned;
  w.is_constant = true;
  w.scales = std::make_shared<const constant_scales>(constant_scales{{each / 127}, 0});
  std::vector<std::int32_t> conv{static_cast<std::int32_t>(dims[1]), a[1], 0, 0, 0};
  conv.insert(conv.end(), a.begin() + 9, a.begin() + 21);
  g.values.push_back(std::move(w));
  op.kind = op_kind::nd_conv;
  op.inputs = {op.inputs[0], static_cast<std::uint32_t>(g.values.size() - 1)};
  op.attributes = std::move(conv);
}

}  // namespace quantize_impl

/// Splits what the import has fused and the integer tier runs as several steps: a residual, and activations that are
/// not a clamp at zero. Averages that count padding become convolutions.
inline void unfuse(lowered_graph& g) {
  std::vector<lowered_op> out;
  for (lowered_op& op : g.ops) {
    if (op.kind == op_kind::nd_pool) quantize_impl::average_by_weights(g, op);
    const bool conv = op.kind == op_kind::nd_conv, product = op.kind == op_kind::nd_matmul;
    if (!conv && !product) {
      out.push_back(std::move(op));
      continue;
    }
    const std::size_t act = conv ? 2 : 4;
    const std::int32_t fn = op.attributes[act], alpha = op.attributes[act + 1], beta = op.attributes[act + 2];
    const bool residual = conv && op.inputs.size() > 3 && op.inputs[3] != no_value;
    const bool active = fn != 0;
    const bool split_act = active && (residual || !is_clamp_at_zero(fn, alpha));
    const std::uint32_t y = op.outputs[0];
    const std::string name = op.name;
    const std::uint32_t added = residual ? op.inputs[3] : no_value;
    if (split_act) op.attributes[act] = op.attributes[act + 1] = op.attributes[act + 2] = 0;
    if (residual) op.inputs.pop_back();
    std::uint32_t at = residual || split_act ? quantize_impl::new_value_like(g, y) : y;
    op.outputs[0] = at;
    out.push_back(std::move(op));
    if (residual) {
      const std::uint32_t sum = split_act ? quantize_impl::new_value_like(g, y) : y;
      out.push_back({op_kind::nd_binary, name, {at, added}, {sum}, {static_cast<std::int32_t>(binary_fn::add)}});
      at = sum;
    }
    if (split_act) out.push_back({op_kind::nd_unary, name, {at}, {y}, {fn, alpha, beta}});
  }
  g.ops = std::move(out);
}

}  // namespace dsmm::inline DSMM_ABI::convert
