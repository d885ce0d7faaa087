// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/pass/rewriter.hpp"

/// Exporters write activations and normalisations as formulas; this finds them again.
namespace dsmm::inline DSMM_ABI::convert {

namespace recognize_impl {

using kernels::nd::binary_fn;
using kernels::nd::reduce_fn;
using kernels::nd::unary_fn;

/// A product taken apart: a number times values.
struct product {
  double factor = 1;
  std::vector<std::uint32_t> values;
};

/// Multiplies out what `id` is made of, as long as nobody else reads the parts. Depth is bounded by max_values.
inline void take_apart(rewriter& r, std::uint32_t id, bool is_root, product& p) {
  constexpr std::size_t max_values = 4;
  if (const auto n = r.number(id)) {
    p.factor *= *n;
    return;
  }
  const lowered_op* mul = is_root || r.read_once(id) ? r.binary(id, binary_fn::mul) : nullptr;
  const lowered_op* div = is_root || r.read_once(id) ? r.binary(id, binary_fn::div) : nullptr;
  if (div != nullptr && r.number(div->inputs[1])) {
    p.factor /= *r.number(div->inputs[1]);
    return take_apart(r, div->inputs[0], false, p);
  }
  if (mul == nullptr || p.values.size() >= max_values) {
    p.values.push_back(id);
    return;
  }
  const std::uint32_t a = mul->inputs[0], b = mul->inputs[1];
  take_apart(r, a, false, p);
  take_apart(r, b, false, p);
}

inline bool near(double a, double b) noexcept { return std::fabs(a - b) <= 1e-5 * std::fabs(b); }
inline double real_attribute(const lowered_op& op, std::size_t i) noexcept {
  return static_cast<double>(std::bit_cast<float>(op.attributes[i]));
}

/// a + number, in either order: the value and the number.
inline std::optional<std::pair<std::uint32_t, double>> plus_number(rewriter& r, std::uint32_t id) {
  const lowered_op* add = r.binary(id, binary_fn::add);
  if (add == nullptr) return std::nullopt;
  for (std::size_t i = 0; i < 2; ++i)
    if (const auto n = r.number(add->inputs[1 - i])) return std::pair(add->inputs[i], *n);
  return std::nullopt;
}

/// If gate(x) * x * factor is a known activation: its function and parameters.
inline std::optional<std::vector<std::int32_t>> gated(rewriter& r, std::uint32_t x, std::uint32_t gate, double factor) {
  const auto function = [](unary_fn fn, double alpha = 0) {
    return std::vector<std::int32_t>{static_cast<std::int32_t>(fn),
                                     std::bit_cast<std::int32_t>(static_cast<float>(alpha)), 0};
  };
  if (const lowered_op* s = r.unary(gate, unary_fn::sigmoid); s != nullptr && near(factor, 1)) {
    product inner;
    if (s->inputs[0] == x) return function(unary_fn::silu, 1);
    take_apart(r, s->inputs[0], true, inner);
    if (inner.values.size() == 1 && inner.values[0] == x) return function(unary_fn::silu, inner.factor);
  }
  if (const lowered_op* h = r.unary(gate, unary_fn::hard_sigmoid);
      h != nullptr && h->inputs[0] == x && near(factor, 1) && near(real_attribute(*h, 1), 1.0 / 6) &&
      near(real_attribute(*h, 2), 0.5))
    return function(unary_fn::hard_swish);
  if (const lowered_op* c = r.unary(gate, unary_fn::clip);
      c != nullptr && near(factor, 1.0 / 6) && real_attribute(*c, 1) == 0 && real_attribute(*c, 2) == 6) {
    const auto sum = plus_number(r, c->inputs[0]);
    if (sum && sum->first == x && sum->second == 3) return function(unary_fn::hard_swish);
  }
  if (const lowered_op* t = r.unary(gate, unary_fn::tanh); t != nullptr && near(factor, 1)) {
    const lowered_op* s = r.unary(t->inputs[0], unary_fn::softplus);
    if (s != nullptr && s->inputs[0] == x) return function(unary_fn::mish);
  }
  if (const auto sum = plus_number(r, gate); sum && sum->second == 1 && near(factor, 0.5)) {
    if (const lowered_op* e = r.unary(sum->first, unary_fn::erf)) {
      product inner;
      take_apart(r, e->inputs[0], true, inner);
      if (inner.values.size() == 1 && inner.values[0] == x && near(inner.factor, std::sqrt(0.5)))
        return function(unary_fn::gelu);
    }
  }
  return std::nullopt;
}

/// The first of the trailing axes that a reduction runs over, if it runs over all of them and keeps them.
inline std::optional<std::int32_t> trailing_axis(const rewriter& r, const lowered_op& op, reduce_fn fn) {
  if (op.kind != op_kind::nd_reduce || op.attributes[0] != static_cast<std::int32_t>(fn) || op.attributes[2] == 0)
    return std::nullopt;
  const auto rank = static_cast<std::int32_t>(r.value(op.inputs[0]).dims.size());
  for (std::int32_t axis = 0; axis < rank; ++axis)
    if (op.attributes[1] == (1 << rank) - (1 << axis)) return axis;
  return std::nullopt;
}

/// x if `id` is the mean of x * x over trailing axes.
inline std::optional<std::pair<std::uint32_t, std::int32_t>> mean_square(rewriter& r, std::uint32_t id) {
  const lowered_op* mean = r.producer(id);
  if (mean == nullptr) return std::nullopt;
  const auto axis = trailing_axis(r, *mean, reduce_fn::mean);
  if (!axis) return std::nullopt;
  const lowered_op* pow = r.binary(mean->inputs[0], binary_fn::pow);
  if (pow != nullptr && r.is_near(pow->inputs[1], 2)) return std::pair(pow->inputs[0], *axis);
  const lowered_op* mul = r.binary(mean->inputs[0], binary_fn::mul);
  if (mul != nullptr && mul->inputs[0] == mul->inputs[1]) return std::pair(mul->inputs[0], *axis);
  return std::nullopt;
}

/// d / sqrt(mean(d * d) + epsilon), with d = x - mean(x) or, for root mean square, d = x.
inline bool layer_norm(rewriter& r, lowered_op& op) {
  std::uint32_t d = no_value, root = no_value;
  if (rewriter::is_binary(op, binary_fn::div)) d = op.inputs[0], root = op.inputs[1];
  if (rewriter::is_binary(op, binary_fn::mul))
    for (std::size_t i = 0; i < 2 && root == no_value; ++i)
      if (const lowered_op* inverse = r.unary(op.inputs[i], unary_fn::reciprocal))
        d = op.inputs[1 - i], root = inverse->inputs[0];
  const lowered_op* sqrt = r.unary(root, unary_fn::sqrt);
  if (sqrt == nullptr) return false;
  const auto sum = plus_number(r, sqrt->inputs[0]);
  if (!sum || !(sum->second >= 0)) return false;
  const auto square = mean_square(r, sum->first);
  if (!square || square->first != d) return false;
  const auto epsilon = std::bit_cast<std::int32_t>(static_cast<float>(sum->second));
  const lowered_op* centred = r.binary(d, binary_fn::sub);
  const lowered_op* mean = centred == nullptr ? nullptr : r.producer(centred->inputs[1]);
  const bool subtracts = mean != nullptr && mean->kind == op_kind::nd_reduce && mean->inputs[0] == centred->inputs[0] &&
                         trailing_axis(r, *mean, reduce_fn::mean) == square->second;
  const std::uint32_t x = subtracts ? centred->inputs[0] : d;
  if (r.value(x).type != r.value(op.outputs[0]).type) return false;
  r.replace(op, op_kind::nd_layer_norm, {x, no_value, no_value}, {square->second, epsilon, subtracts ? 0 : 1});
  return true;
}

/// layer_norm(x) * scale and layer_norm(x) + bias, where nobody else reads the norm.
inline bool layer_norm_affine(rewriter& r, lowered_op& op) {
  const bool is_scale = rewriter::is_binary(op, binary_fn::mul), is_bias = rewriter::is_binary(op, binary_fn::add);
  if (!is_scale && !is_bias) return false;
  for (std::size_t i = 0; i < 2; ++i) {
    const std::uint32_t y = op.inputs[i], factor = op.inputs[1 - i];
    if (!r.is(y, op_kind::nd_layer_norm) || !r.read_once(y) || !r.value(factor).is_constant) continue;
    const lowered_op norm = *r.producer(y);
    if (norm.outputs.size() != 1 || norm.inputs[2] != no_value || (is_scale && norm.inputs[1] != no_value)) continue;
    const dim_list &x = r.value(norm.inputs[0]).dims, &f = r.value(factor).dims;
    const auto axis = static_cast<std::size_t>(norm.attributes[0]);
    if (f != dim_list(x.begin() + static_cast<std::ptrdiff_t>(axis), x.end()) || r.value(op.outputs[0]).dims != x)
      continue;
    std::vector<std::uint32_t> inputs = norm.inputs;
    inputs[is_scale ? 1 : 2] = factor;
    r.replace(op, op_kind::nd_layer_norm, inputs, norm.attributes);
    return true;
  }
  return false;
}

inline bool activation(rewriter& r, lowered_op& op) {
  if (!rewriter::is_binary(op, binary_fn::mul) && !rewriter::is_binary(op, binary_fn::div)) return false;
  product p;
  take_apart(r, op.outputs[0], true, p);
  if (p.values.size() != 2) return false;
  for (std::size_t i = 0; i < 2; ++i)
    if (const auto function = gated(r, p.values[i], p.values[1 - i], p.factor)) {
      if (r.value(p.values[i]).dims != r.value(op.outputs[0]).dims) return false;
      r.replace(op, op_kind::nd_unary, {p.values[i]}, *function);
      return true;
    }
  return false;
}

}  // namespace recognize_impl

/// Finds SiLU, hard-swish, mish, GELU (with erf) and layer normalisation in what exporters make of them.
inline void recognize(rewriter& r) {
  for (lowered_op& op : r.ops()) {
    if (op.kind != op_kind::nd_binary) continue;
    if (!recognize_impl::layer_norm(r, op)) recognize_impl::activation(r, op);
  }
  r.recount();
  for (lowered_op& op : r.ops())
    if (op.kind == op_kind::nd_binary) recognize_impl::layer_norm_affine(r, op);
}

}  // namespace dsmm::inline DSMM_ABI::convert
