// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/pass/rewriter.hpp"

/// Products of 8-bit integers take in the cast, the scale and the bias that make real numbers of their sums. Each step
/// rounds as it did by itself, so no bit changes.
namespace dsmm::inline DSMM_ABI::convert {

namespace integer_scale_impl {

using kernels::nd::binary_fn;

inline bool is_integer_product(const lowered_op* op) noexcept {
  return op != nullptr && (op->kind == op_kind::nd_matmul_integer || op->kind == op_kind::nd_conv_integer);
}

/// f32, one number or one per column of a product and per channel of a convolution.
inline bool fits_channels(const rewriter& r, const lowered_op& product, std::uint32_t id, const dim_list& y) {
  const lowered_value& v = r.value(id);
  if (v.type != dtype::f32 || v.dims.size() > y.size()) return false;
  const std::size_t channel_axis = product.kind == op_kind::nd_conv_integer ? 1 : y.size() - 1;
  for (std::size_t i = 0; i < v.dims.size(); ++i) {
    const std::size_t axis = y.size() - v.dims.size() + i;
    if (v.dims[i] != 1 && (axis != channel_axis || v.dims[i] != y[axis])) return false;
  }
  return true;
}

/// float(product) * scale
inline bool scale(rewriter& r, lowered_op& op) {
  for (std::size_t i = 0; i < 2; ++i) {
    const std::uint32_t real = op.inputs[i], factor = op.inputs[1 - i];
    if (!r.is(real, op_kind::nd_cast) || !r.read_once(real) || r.value(real).type != dtype::f32) continue;
    const std::uint32_t y = r.producer(real)->inputs[0];
    const lowered_op* product = r.producer(y);
    if (!is_integer_product(product) || !r.read_once(y) || product->inputs.size() > 4) continue;
    if (!fits_channels(r, *product, factor, r.value(y).dims) || r.value(op.outputs[0]).dims != r.value(y).dims)
      continue;
    std::vector<std::uint32_t> inputs = product->inputs;
    inputs.resize(4, no_value);
    inputs.push_back(factor);
    const std::vector<std::int32_t> attributes = product->attributes;
    r.replace(op, product->kind, std::move(inputs), attributes);
    return true;
  }
  return false;
}

/// scaled product + bias
inline bool bias(rewriter& r, lowered_op& op) {
  for (std::size_t i = 0; i < 2; ++i) {
    const std::uint32_t y = op.inputs[i], other = op.inputs[1 - i];
    const lowered_op* product = r.producer(y);
    if (!is_integer_product(product) || !r.read_once(y) || product->inputs.size() != 5) continue;
    if (!fits_channels(r, *product, other, r.value(y).dims) || r.value(op.outputs[0]).dims != r.value(y).dims) continue;
    std::vector<std::uint32_t> inputs = product->inputs;
    inputs.push_back(other);
    const std::vector<std::int32_t> attributes = product->attributes;
    r.replace(op, product->kind, std::move(inputs), attributes);
    return true;
  }
  return false;
}

}  // namespace integer_scale_impl

/// settle() drops what is no longer read, between steps.
template <class Settle>
void scale_integer_products(rewriter& r, const Settle& settle) {
  for (lowered_op& op : r.ops())
    if (rewriter::is_binary(op, kernels::nd::binary_fn::mul)) integer_scale_impl::scale(r, op);
  settle();
  for (lowered_op& op : r.ops())
    if (rewriter::is_binary(op, kernels::nd::binary_fn::add)) integer_scale_impl::bias(r, op);
  settle();
}

}  // namespace dsmm::inline DSMM_ABI::convert
