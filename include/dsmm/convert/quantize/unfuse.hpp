// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
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

}  // namespace quantize_impl

/// Splits what the import has fused and the integer tier runs as several steps: a residual, and activations that are
/// not a clamp at zero.
inline void unfuse(lowered_graph& g) {
  std::vector<lowered_op> out;
  for (lowered_op& op : g.ops) {
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
