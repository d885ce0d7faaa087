// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/build/elementwise.hpp"
#include "dsmm/convert/build/reduce.hpp"
#include "dsmm/convert/build/shape.hpp"
#include "dsmm/convert/node_scope.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// Functions of one operand: ONNX name, function, and the attributes that give alpha and beta with their defaults.
struct unary_row {
  std::string_view op;
  unary_fn fn;
  std::string_view alpha = {};
  float alpha_default = 0;
  std::string_view beta = {};
  float beta_default = 0;
};

inline constexpr unary_row unary_rows[] = {
    {"Abs", unary_fn::abs},
    {"Acos", unary_fn::acos},
    {"Acosh", unary_fn::acosh},
    {"Asin", unary_fn::asin},
    {"Asinh", unary_fn::asinh},
    {"Atan", unary_fn::atan},
    {"Atanh", unary_fn::atanh},
    {"BitwiseNot", unary_fn::bitwise_not},
    {"Ceil", unary_fn::ceil},
    {"Celu", unary_fn::celu, "alpha", 1.0f},
    {"Cos", unary_fn::cos},
    {"Cosh", unary_fn::cosh},
    {"Elu", unary_fn::elu, "alpha", 1.0f},
    {"Erf", unary_fn::erf},
    {"Exp", unary_fn::exp},
    {"Floor", unary_fn::floor},
    {"HardSigmoid", unary_fn::hard_sigmoid, "alpha", 0.2f, "beta", 0.5f},
    {"HardSwish", unary_fn::hard_swish},
    {"IsNaN", unary_fn::is_nan},
    {"LeakyRelu", unary_fn::leaky_relu, "alpha", 0.01f},
    {"Log", unary_fn::log},
    {"Mish", unary_fn::mish},
    {"Neg", unary_fn::neg},
    {"Not", unary_fn::logical_not},
    {"Reciprocal", unary_fn::reciprocal},
    {"Relu", unary_fn::relu},
    {"Round", unary_fn::round},
    {"Selu", unary_fn::selu, "alpha", 1.67326319217681884765625f, "gamma", 1.05070102214813232421875f},
    {"Shrink", unary_fn::shrink, "lambd", 0.5f, "bias", 0.0f},
    {"Sigmoid", unary_fn::sigmoid},
    {"Sign", unary_fn::sign},
    {"Sin", unary_fn::sin},
    {"Sinh", unary_fn::sinh},
    {"Softplus", unary_fn::softplus},
    {"Softsign", unary_fn::softsign},
    {"Sqrt", unary_fn::sqrt},
    {"Swish", unary_fn::silu, "alpha", 1.0f},
    {"Tan", unary_fn::tan},
    {"Tanh", unary_fn::tanh},
    {"ThresholdedRelu", unary_fn::thresholded_relu, "alpha", 1.0f},
};

inline void lower_unary(node_scope& s) {
  for (const unary_row& r : unary_rows) {
    if (r.op != s.node.op) continue;
    const float alpha = r.alpha.empty() ? 0 : s.real(r.alpha, r.alpha_default);
    const float beta = r.beta.empty() ? 0 : s.real(r.beta, r.beta_default);
    s.out[0] = unary(r.fn, s.in(0), alpha, beta);
  }
}

struct binary_row {
  std::string_view op;
  binary_fn fn;
};

inline constexpr binary_row binary_rows[] = {
    {"Add", binary_fn::add},
    {"And", binary_fn::logical_and},
    {"BitwiseAnd", binary_fn::bit_and},
    {"BitwiseOr", binary_fn::bit_or},
    {"BitwiseXor", binary_fn::bit_xor},
    {"Div", binary_fn::div},
    {"Equal", binary_fn::equal},
    {"Greater", binary_fn::greater},
    {"GreaterOrEqual", binary_fn::greater_equal},
    {"Less", binary_fn::less},
    {"LessOrEqual", binary_fn::less_equal},
    {"Max", binary_fn::max},
    {"Min", binary_fn::min},
    {"Mul", binary_fn::mul},
    {"Or", binary_fn::logical_or},
    {"Sub", binary_fn::sub},
    {"Sum", binary_fn::add},
    {"Xor", binary_fn::logical_xor},
};

/// Up to operator set 6, b is laid beside the axes of a from `axis` on, and only if attribute broadcast says so.
inline var aligned(node_scope& s, var a, var b) {
  if (s.opset >= 7 || !s.has_attribute("axis") || !s.flag("broadcast") || s.to.failed()) return b;
  const std::int64_t axis = s.axis("axis", 0, a.rank());
  if (axis + b.rank() > a.rank()) return s.to.fail(errc::shape_mismatch, "attribute axis leaves no room for b");
  dim_list dims = b.dims();
  dims.resize(static_cast<std::size_t>(a.rank() - axis), 1);
  return s.to.reshape(b, dims);
}

/// Two operands, or any number of them from left to right (Min, Max, Sum).
inline void lower_binary(node_scope& s) {
  for (const binary_row& r : binary_rows) {
    if (r.op != s.node.op) continue;
    var y = s.in(0);
    for (std::size_t i = 1; i < s.inputs(); ++i) y = binary(r.fn, y, aligned(s, y, s.in(i)));
    s.out[0] = y;
  }
}

/// Up to operator set 6, slopes are one per channel, whatever axes follow; then they broadcast as any operand.
inline void lower_prelu(node_scope& s) {
  const var x = s.in(0);
  var slope = s.in(1);
  if (s.opset < 7 && !s.to.failed() && slope.rank() == 1 && slope.count() != 1 && x.rank() > 2) {
    dim_list dims(static_cast<std::size_t>(x.rank() - 1), 1);
    dims[0] = slope.count();
    slope = s.to.reshape(slope, dims);
  }
  s.out[0] = binary(binary_fn::prelu, x, slope);
}

inline void lower_mean(node_scope& s) {
  var y = s.in(0);
  for (std::size_t i = 1; i < s.inputs(); ++i) y = y + s.in(i);
  s.out[0] = y / static_cast<double>(s.inputs());
}

inline void lower_mod(node_scope& s) {
  s.out[0] = binary(s.flag("fmod") ? binary_fn::fmod : binary_fn::mod, s.in(0), s.in(1));
}

inline void lower_bit_shift(node_scope& s) {
  const std::string_view direction = s.text("direction", "");
  if (direction != "LEFT" && direction != "RIGHT") return s.fail(errc::bad_value, "BitShift: attribute direction");
  s.out[0] = binary(direction == "LEFT" ? binary_fn::shift_left : binary_fn::shift_right, s.in(0), s.in(1));
}

/// The exponent may be of another type; the result has the base's.
inline void lower_pow(node_scope& s) {
  const var base = s.in(0), exponent = s.in(1);
  if (is_integer(base.type()) && is_float(exponent.type())) {
    const dtype wide = exponent.type() == dtype::f64 ? dtype::f64 : dtype::f32;
    s.out[0] = cast(binary(binary_fn::pow, cast(base, wide), cast(exponent, wide)), base.type());
  } else {
    s.out[0] = binary(binary_fn::pow, base, cast(exponent, base.type()));
  }
}

/// Bounds are attributes up to operator set 10, then inputs. Constant ones of f32 need one op.
inline void lower_clip(node_scope& s) {
  var x = s.in(0), low = s.optional(1), high = s.optional(2);
  if (s.opset < 11) {
    constexpr float most = std::numeric_limits<float>::max();
    const float a = s.real("min", -most), b = s.real("max", most);
    s.out[0] = unary(unary_fn::clip, x, a, b);
    return;
  }
  const bool is_short = x.type() == dtype::f32 || x.type() == dtype::f16 || x.type() == dtype::bf16;
  if (is_short && (!low || (low.is_constant() && low.count() == 1)) &&
      (!high || (high.is_constant() && high.count() == 1))) {
    const float infinity = std::numeric_limits<float>::infinity();
    const float a = low ? static_cast<float>(reals_of(low)[0]) : -infinity;
    const float b = high ? static_cast<float>(reals_of(high)[0]) : infinity;
    if (a <= b) {
      s.out[0] = unary(unary_fn::clip, x, a, b);
      return;
    }
  }
  if (low) x = binary(binary_fn::max, x, low);
  if (high) x = binary(binary_fn::min, x, high);
  s.out[0] = x;
}

inline void lower_gelu(node_scope& s) {
  const bool is_tanh = s.text("approximate", "none") == "tanh" || s.node.op == "FastGelu";
  var x = s.in(0);
  if (s.node.domain == microsoft && s.has(1)) x = x + s.in(1);
  s.out[0] = unary(is_tanh ? unary_fn::gelu_tanh : unary_fn::gelu, x);
}

inline void lower_quick_gelu(node_scope& s) { s.out[0] = unary(unary_fn::silu, s.in(0), s.real("alpha", 1.702f)); }

inline void lower_is_inf(node_scope& s) {
  s.out[0] = unary(unary_fn::is_inf, s.in(0), s.flag("detect_positive", true) ? 1.0f : 0.0f,
                   s.flag("detect_negative", true) ? 1.0f : 0.0f);
}

inline void lower_identity(node_scope& s) { s.out[0] = s.in(0); }

inline void lower_cast(node_scope& s) {
  const onnx::type_row* row = onnx::find_type(s.integer("to", 0));
  if (row == nullptr) return s.fail(errc::bad_value, "Cast: attribute to is no element type");
  if (!row->type) return s.fail(errc::unsupported, "Cast: dsmm does not have the element type");
  s.out[0] = cast(s.in(0), *row->type, s.flag("saturate", true));
}

inline void lower_cast_like(node_scope& s) { s.out[0] = cast(s.in(0), s.in(1).type(), s.flag("saturate", true)); }

inline void lower_where(node_scope& s) { s.out[0] = where(s.in(0), s.in(1), s.in(2)); }

/// Up to operator set 12 softmax sees (all before axis, all from axis on); later only the axis.
inline void lower_softmax(node_scope& s) {
  const softmax_fn fn = s.node.op == "Softmax"      ? softmax_fn::softmax
                        : s.node.op == "LogSoftmax" ? softmax_fn::log_softmax
                                                    : softmax_fn::hardmax;
  const var x = s.in(0);
  const std::int64_t axis = s.axis("axis", s.opset < 13 ? 1 : -1, x.rank());
  if (s.to.failed()) return;
  if (s.opset >= 13 || axis + 1 == x.rank()) {
    s.out[0] = softmax(fn, x, axis);
    return;
  }
  std::int64_t inner = 1;
  for (std::int64_t i = axis; i < x.rank(); ++i) inner *= x.dim(i);
  const var flat = s.to.reshape(x, {inner == 0 ? 0 : x.count() / inner, inner});
  s.out[0] = s.to.reshape(softmax(fn, flat, 1), x.dims());
}

inline void lower_dropout(node_scope& s) {
  const var x = s.in(0);
  if (s.opset >= 12 && s.has(2)) {
    const bool training =
        s.constant(2, "Dropout: training_mode must be known when the model is imported") != dim_list{0};
    double ratio = 0.5;
    if (s.has(1) && s.to.require_constant(s.in(1), "Dropout: ratio must be known when the model is imported"))
      ratio = s.in(1).count() == 1 ? reals_of(s.in(1))[0] : 0.5;
    if (training && ratio != 0) return s.fail(errc::unsupported, "Dropout: training is not supported");
  }
  s.out[0] = x;
  if (s.wants(1)) s.out[1] = full(s.to, s.opset < 10 ? x.type() : dtype::b8, x.dims(), 1);
}

inline void lower_swiglu(node_scope& s) { s.out[0] = unary(unary_fn::silu, s.in(0), s.real("alpha", 1.0f)) * s.in(1); }

inline constexpr lowering elementwise_lowerings[] = {
    {"", "BitShift", lower_bit_shift},
    {"", "Cast", lower_cast},
    {"", "CastLike", lower_cast_like},
    {"", "Clip", lower_clip},
    {"", "Dropout", lower_dropout},
    {"", "Gelu", lower_gelu},
    {"", "Hardmax", lower_softmax},
    {"", "Identity", lower_identity},
    {"", "IsInf", lower_is_inf},
    {"", "LogSoftmax", lower_softmax},
    {"", "Mean", lower_mean},
    {"", "Mod", lower_mod},
    {"", "PRelu", lower_prelu},
    {"", "Pow", lower_pow},
    {"", "Softmax", lower_softmax},
    {"", "SwiGLU", lower_swiglu},
    {"", "Where", lower_where},
    {microsoft, "BiasGelu", lower_gelu},
    {microsoft, "FastGelu", lower_gelu},
    {microsoft, "Gelu", lower_gelu},
    {microsoft, "QuickGelu", lower_quick_gelu},
};

}  // namespace dsmm::inline DSMM_ABI::convert
