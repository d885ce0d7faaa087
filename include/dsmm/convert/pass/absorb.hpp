// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/emit_model.hpp"
#include "dsmm/convert/pass/absorb_pads.hpp"
#include "dsmm/convert/pass/integer_scale.hpp"
#include "dsmm/convert/pass/recognize.hpp"
#include "dsmm/convert/pass/rewriter.hpp"

/// Convolutions and matrix products take in what follows them: batch norms, biases, residuals, activations.
namespace dsmm::inline DSMM_ABI::convert {

namespace absorb_impl {

using kernels::nd::binary_fn;
using kernels::nd::unary_fn;

/// Where an op keeps its activation; 0 if it has none.
inline std::size_t activation_slot(op_kind kind) noexcept {
  switch (kind) {
    case op_kind::nd_conv:
    case op_kind::nd_conv_integer:
    case op_kind::nd_conv_transpose: return 2;
    case op_kind::nd_matmul: return 4;
    default: return 0;
  }
}

inline bool is_open(const lowered_op& op) noexcept {
  if (op.kind == op_kind::nd_conv_integer && op.inputs.size() < 5) return false;  // its sums are integers
  const std::size_t slot = activation_slot(op.kind);
  return slot != 0 && op.attributes[slot] == 0;
}

/// A constant that is one number per output channel of (N, C, ...), or one for all, as C numbers.
inline std::optional<std::vector<float>> per_channel_numbers(const rewriter& r, std::uint32_t id, const dim_list& y) {
  const lowered_value& v = r.value(id);
  if (!v.is_constant || v.type != dtype::f32 || y.size() < 2 || v.dims.size() > y.size()) return std::nullopt;
  for (std::size_t i = 0; i < v.dims.size(); ++i) {
    const std::size_t axis = y.size() - v.dims.size() + i;
    if (v.dims[i] != 1 && (axis != 1 || v.dims[i] != y[1])) return std::nullopt;
  }
  std::vector<float> out = r.floats(id);
  if (out.size() == 1) out.resize(static_cast<std::size_t>(y[1]), out[0]);
  return out;
}

/// y = conv * scale + offset per output channel, into weights and bias. Computed in double, rounded once.
inline void scale_conv(rewriter& r, lowered_op& conv, const std::vector<float>* scale,
                       const std::vector<float>* offset) {
  const lowered_value& w = r.value(conv.inputs[1]);
  const dim_list w_dims = w.dims;
  const std::size_t channels = (scale != nullptr ? *scale : *offset).size();
  conv.inputs.resize(std::max<std::size_t>(conv.inputs.size(), 3), no_value);
  std::vector<float> bias = conv.inputs[2] == no_value ? std::vector<float>(channels, 0) : r.floats(conv.inputs[2]);
  for (std::size_t c = 0; c < channels; ++c) {
    const double a = scale == nullptr ? 1 : static_cast<double>((*scale)[c]);
    const double b = offset == nullptr ? 0 : static_cast<double>((*offset)[c]);
    bias[c] = static_cast<float>(std::fma(static_cast<double>(bias[c]), a, b));
  }
  if (scale != nullptr) {
    std::vector<float> weights = r.floats(conv.inputs[1]);
    const std::size_t each = weights.size() / channels;
    for (std::size_t i = 0; i < weights.size(); ++i) weights[i] *= (*scale)[i / each];
    conv.inputs[1] = r.constant(w_dims, weights);
  }
  conv.inputs[2] = r.constant({static_cast<std::int64_t>(channels)}, bias);
}

/// conv (+ - * /) constants per channel.
inline bool affine_into_conv(rewriter& r, lowered_op& op) {
  for (std::size_t i = 0; i < 2; ++i) {
    const std::uint32_t y = op.inputs[i];
    if (!r.is(y, op_kind::nd_conv) || !r.read_once(y)) continue;
    const lowered_op& conv = *r.producer(y);
    const bool weights_known =
        r.value(conv.inputs[1]).is_constant && r.value(conv.inputs[1]).type == dtype::f32 &&
        (conv.inputs.size() < 3 || conv.inputs[2] == no_value || r.value(conv.inputs[2]).is_constant);
    if (!is_open(conv) || !weights_known || conv.inputs.size() > 3 || r.value(op.outputs[0]).dims != r.value(y).dims)
      continue;
    auto numbers = per_channel_numbers(r, op.inputs[1 - i], r.value(y).dims);
    if (!numbers) continue;
    lowered_op fused = conv;
    if (rewriter::is_binary(op, binary_fn::mul)) {
      scale_conv(r, fused, &*numbers, nullptr);
    } else if (rewriter::is_binary(op, binary_fn::add)) {
      scale_conv(r, fused, nullptr, &*numbers);
    } else if (rewriter::is_binary(op, binary_fn::sub) && i == 0) {
      for (float& v : *numbers) v = -v;
      scale_conv(r, fused, nullptr, &*numbers);
    } else {
      continue;
    }
    r.replace(op, fused.kind, std::move(fused.inputs), std::move(fused.attributes));
    return true;
  }
  return false;
}

/// a b + c, with c one number per column.
inline bool bias_into_matmul(rewriter& r, lowered_op& op) {
  if (!rewriter::is_binary(op, binary_fn::add)) return false;
  for (std::size_t i = 0; i < 2; ++i) {
    const std::uint32_t y = op.inputs[i], c = op.inputs[1 - i];
    if (!r.is(y, op_kind::nd_matmul) || !r.read_once(y) || !r.value(c).is_constant) continue;
    const lowered_op& product = *r.producer(y);
    const dim_list& dims = r.value(y).dims;
    const bool has_bias = product.inputs.size() > 2 && product.inputs[2] != no_value;
    if (has_bias || !is_open(product) || r.value(op.outputs[0]).dims != dims ||
        r.value(c).dims != dim_list{dims.back()})
      continue;
    std::vector<std::int32_t> attributes = product.attributes;
    attributes[3] = std::bit_cast<std::int32_t>(1.0f);
    r.replace(op, op_kind::nd_matmul, {product.inputs[0], product.inputs[1], c}, attributes);
    return true;
  }
  return false;
}

/// conv + another value of the same shape.
inline bool residual_into_conv(rewriter& r, lowered_op& op) {
  if (!rewriter::is_binary(op, binary_fn::add)) return false;
  for (std::size_t i = 0; i < 2; ++i) {
    const std::uint32_t y = op.inputs[i], other = op.inputs[1 - i];
    if (!r.is(y, op_kind::nd_conv) || !r.read_once(y) || y == other) continue;
    const lowered_op& conv = *r.producer(y);
    if (!is_open(conv) || conv.inputs.size() > 3 || r.value(other).dims != r.value(y).dims) continue;
    std::vector<std::uint32_t> inputs = conv.inputs;
    inputs.resize(3, no_value);
    inputs.push_back(other);
    const std::vector<std::int32_t> attributes = conv.attributes;
    r.replace(op, op_kind::nd_conv, std::move(inputs), attributes);
    return true;
  }
  return false;
}

inline bool activation_into(rewriter& r, lowered_op& op) {
  const std::uint32_t y = op.inputs[0];
  const lowered_op* from = r.producer(y);
  if (from == nullptr || !is_open(*from) || !r.read_once(y) || !is_float(r.value(y).type)) return false;
  const auto fn = static_cast<unary_fn>(op.attributes[0]);
  if (fn == unary_fn::is_nan || fn == unary_fn::is_inf) return false;
  std::vector<std::int32_t> attributes = from->attributes;
  const std::size_t slot = activation_slot(from->kind);
  for (std::size_t i = 0; i < 3; ++i) attributes[slot + i] = op.attributes[i];
  const std::vector<std::uint32_t> inputs = from->inputs;
  r.replace(op, from->kind, inputs, attributes);
  return true;
}

}  // namespace absorb_impl

/// All passes, in the order in which they help each other.
inline void fuse(lowered_graph& graph) {
  using namespace absorb_impl;
  rewriter r(graph);
  const auto settle = [&] {
    remove_dead_ops(graph);
    r.recount();
  };
  absorb_pads(r);
  recognize(r);
  settle();
  scale_integer_products(r, settle);
  for (lowered_op& op : r.ops())
    if (op.kind == op_kind::nd_binary && !affine_into_conv(r, op)) bias_into_matmul(r, op);
  settle();
  for (lowered_op& op : r.ops())
    if (op.kind == op_kind::nd_binary) residual_into_conv(r, op);
  settle();
  for (lowered_op& op : r.ops())
    if (op.kind == op_kind::nd_unary) activation_into(r, op);
  settle();
}

}  // namespace dsmm::inline DSMM_ABI::convert
