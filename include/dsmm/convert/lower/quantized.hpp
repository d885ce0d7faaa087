// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/build/matmul.hpp"
#include "dsmm/convert/build/reduce.hpp"
#include "dsmm/convert/build/shape.hpp"
#include "dsmm/convert/lower/reduce.hpp"
#include "dsmm/convert/lower/window.hpp"
#include "dsmm/convert/node_scope.hpp"

/// Quantized operators. Products are exact in 32 bits; the rest is dequantize, compute, quantize.
namespace dsmm::inline DSMM_ABI::convert {

/// A quantized value: numbers, scale, and zero point or nothing.
struct quantized {
  var x, scale, zero;
};

/// Scale and zero point as an op wants them: one element with any rank as a scalar.
inline var flat(var v) { return v && !v.to->failed() && v.count() == 1 ? v.to->reshape(v, {}) : v; }

inline var quantize(var x, var scale, var zero, dtype type, std::int64_t axis = 0, std::int64_t block = 0,
                    bool saturate = true) {
  return x.to->emit(op_kind::nd_quantize, {x, block != 0 ? scale : flat(scale), block != 0 ? zero : flat(zero)},
                    {static_cast<std::int32_t>(axis), static_cast<std::int32_t>(block), saturate}, type, x.dims());
}

inline var dequantize(const quantized& q, dtype type, std::int64_t axis = 0, std::int64_t block = 0) {
  return q.x.to->emit(op_kind::nd_dequantize,
                      {q.x, block != 0 ? q.scale : flat(q.scale), block != 0 ? q.zero : flat(q.zero)},
                      {static_cast<std::int32_t>(axis), static_cast<std::int32_t>(block)}, type, q.x.dims());
}

/// Remembers what a folded constant is a multiple of.
inline var with_scales(var real, const quantized& q, std::int64_t axis) {
  if (real.to->failed() || !real.is_constant() || real.type() != dtype::f32 || !q.scale.is_constant() ||
      q.scale.type() != dtype::f32)
    return real;
  const auto* const first = reinterpret_cast<const float*>(q.scale.value().bytes.data());
  real.to->set_scales(real, {std::vector<float>(first, first + q.scale.count()), axis});
  return real;
}

/// Axis of scales that are many; in range also for a rank of 0.
inline std::int64_t scale_axis(node_scope& s, var x, var scale) {
  if (s.to.failed() || scale.count() == 1) return 0;
  return s.axis("axis", 1, x.rank());
}

inline bool read_block(node_scope& s, std::int64_t& block) {
  block = s.integer("block_size", 0);
  if (block >= 0 && block <= format::max_extent) return true;
  s.fail(errc::bad_value, "attribute block_size must not be negative");
  return false;
}

/// The wanted element type of the result: that of the zero point, else attribute output_dtype, else u8.
inline void lower_quantize(node_scope& s) {
  const var x = s.in(0), scale = s.in(1), zero = s.optional(2);
  dtype type = zero ? zero.type() : dtype::u8;
  if (!zero && s.integer("output_dtype", 0) != 0) {
    const onnx::type_row* row = onnx::find_type(s.integer("output_dtype", 0));
    if (row == nullptr || !row->type) return s.fail(errc::unsupported, "QuantizeLinear: attribute output_dtype");
    type = *row->type;
  }
  if (s.has_attribute("precision") && s.integer("precision", 0) > 1 && s.integer("precision", 0) != 10 &&
      s.integer("precision", 0) != 16)
    return s.fail(errc::unsupported, "QuantizeLinear: attribute precision");
  std::int64_t block = 0;
  if (!read_block(s, block)) return;
  s.out[0] = quantize(x, scale, zero, type, block != 0 ? s.axis("axis", 1, x.rank()) : scale_axis(s, x, scale), block,
                      s.flag("saturate", true));
}

inline void lower_dequantize(node_scope& s) {
  const quantized q{s.in(0), s.in(1), s.optional(2)};
  dtype type = q.scale.type();
  if (s.integer("output_dtype", 0) != 0) {
    const onnx::type_row* row = onnx::find_type(s.integer("output_dtype", 0));
    if (row == nullptr || !row->type) return s.fail(errc::unsupported, "DequantizeLinear: attribute output_dtype");
    type = *row->type;
  }
  std::int64_t block = 0;
  if (!read_block(s, block)) return;
  const std::int64_t axis = block != 0 ? s.axis("axis", 1, q.x.rank()) : scale_axis(s, q.x, q.scale);
  s.out[0] = dequantize(q, type, axis, block);
  if (block == 0) s.out[0] = with_scales(s.out[0], q, axis);
}

inline std::vector<var> dynamic_quantize(var x) {
  const value_type types[] = {{dtype::u8, x.dims()}, {dtype::f32, {}}, {dtype::u8, {}}};
  return x.to->emit(op_kind::nd_dynamic_quantize, std::span(&x, 1), {}, types);
}

inline void lower_dynamic_quantize(node_scope& s) {
  const auto y = dynamic_quantize(s.in(0));
  for (std::size_t i = 0; i < s.out.size() && i < y.size(); ++i) s.out[i] = y[i];
}

/// s32 product of 8-bit matrices after their zero points are taken off.
inline var matmul_integer(node_scope& s, var a, var b, var zero_a, var zero_b) {
  if (s.to.failed()) return a;
  if (a.rank() < 1 || b.rank() < 1) return s.to.fail(errc::shape_mismatch, "inputs are no matrices");
  const bool vector_a = a.rank() == 1, vector_b = b.rank() == 1;
  if (vector_a) a = unsqueeze(a, 0);
  if (vector_b) b = unsqueeze(b, 1);
  const dim_list dims = matmul_dims(a, b, {});
  if (s.to.failed()) return a;
  const var y = s.to.emit(op_kind::nd_matmul_integer, {a, b, flat(zero_a), flat(zero_b)}, {}, dtype::s32, dims);
  dim_list out_dims(dims.begin(), dims.end() - 2);
  if (!vector_a) out_dims.push_back(dims[dims.size() - 2]);
  if (!vector_b) out_dims.push_back(dims.back());
  return s.to.reshape(y, out_dims);
}

inline void lower_matmul_integer(node_scope& s) {
  s.out[0] = matmul_integer(s, s.in(0), s.in(1), s.optional(2), s.optional(3));
}

inline var conv_integer(node_scope& s, var x, var w, var zero_x, var zero_w) {
  return emit_conv(s, op_kind::nd_conv_integer, {x, w, flat(zero_x), flat(zero_w)}, dtype::s32, flat(zero_x));
}

inline void lower_conv_integer(node_scope& s) {
  s.out[0] = conv_integer(s, s.in(0), s.in(1), s.optional(2), s.optional(3));
}

/// Weights (input i), scale, zero point as real numbers, with a scale per index of `axis` or one.
inline var real_weights(node_scope& s, std::size_t i, std::int64_t axis) {
  const quantized w{s.in(i), s.in(i + 1), s.optional(i + 2)};
  if (s.to.failed()) return w.x;
  const std::int64_t at = w.scale.count() == 1 ? 0 : axis;
  return with_scales(dequantize(w, dtype::f32, at), w, at);
}
/// A bias in steps of x_scale * w_scale.
inline var real_bias(var bias, var x_scale, var w_scale) {
  return cast(bias, dtype::f32) * (flat(x_scale) * (w_scale.count() == 1 ? flat(w_scale) : w_scale));
}

/// x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias
inline void lower_qlinear_conv(node_scope& s) {
  if (s.to.adopts() && s.has(3) && s.in(3).is_constant()) {
    std::vector<var> in{dequantize({s.in(0), s.in(1), s.optional(2)}, dtype::f32), real_weights(s, 3, 0)};
    if (s.has(8)) in.push_back(real_bias(s.in(8), s.in(1), s.in(4)));
    const var y = emit_conv(s, op_kind::nd_conv, in, dtype::f32);
    if (!s.to.failed()) s.out[0] = quantize(y, s.in(6), s.in(7), s.in(7).type());
    return;
  }
  var sum = conv_integer(s, s.in(0), s.in(3), s.in(2), s.in(5));
  if (s.has(8)) sum = sum + per_channel(s.in(8), sum.rank());
  if (s.to.failed()) return;
  const var w_scale = s.in(4);
  const var scale = flat(s.in(1)) * (w_scale.count() == 1 ? flat(w_scale) : per_channel(w_scale, sum.rank()));
  s.out[0] = quantize(cast(sum, dtype::f32) * scale, s.in(6), s.in(7), s.in(7).type());
}

/// A scale per row of a or per column of b, to meet (..., M, N).
inline var row_scale(var v, bool rows) {
  if (v.to->failed() || v.count() == 1) return flat(v);
  if (!rows || v.rank() != 1) return v;
  return unsqueeze(v, 1);
}

/// a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero
inline void lower_qlinear_matmul(node_scope& s) {
  if (s.to.adopts() && s.has(3) && s.in(3).is_constant() && s.in(3).rank() == 2 && s.in(1).count() == 1) {
    const var y = matmul(dequantize({s.in(0), s.in(1), s.optional(2)}, dtype::f32), real_weights(s, 3, 1));
    if (!s.to.failed()) s.out[0] = quantize(y, s.in(6), s.in(7), s.in(7).type());
    return;
  }
  const var sum = matmul_integer(s, s.in(0), s.in(3), s.in(2), s.in(5));
  const var scale = row_scale(cast(s.in(1), dtype::f32), true) * row_scale(cast(s.in(4), dtype::f32), false);
  s.out[0] = quantize(cast(sum, dtype::f32) * scale, cast(s.in(6), dtype::f32), s.in(7), s.in(7).type());
}

/// com.microsoft: a, a_scale, a_zero, b, b_scale, b_zero, c, y_scale, y_zero; real numbers without y_scale.
inline void lower_qgemm(node_scope& s) {
  var a = s.in(0), b = s.in(3);
  if (s.to.failed()) return;
  if (a.rank() != 2 || b.rank() != 2) return s.fail(errc::shape_mismatch, "QGemm: inputs are no matrices");
  if (s.to.adopts() && b.is_constant() && !s.flag("transA") && s.real("alpha", 1.0f) == 1.0f) {
    const bool turned = s.flag("transB");
    const var w = real_weights(s, 3, turned ? 0 : 1);
    const var bias = s.has(6) ? real_bias(s.in(6), s.in(1), s.in(4)) : var{};
    const var y = matmul(dequantize({a, s.in(1), s.in(2)}, dtype::f32), w, bias, {false, turned, 1.0f, 1.0f});
    if (s.to.failed()) return;
    s.out[0] = s.has(7) ? quantize(y, s.in(7), s.optional(8), s.has(8) ? s.in(8).type() : a.type()) : y;
    return;
  }
  if (s.flag("transA")) a = swap_axes(a, 0, 1);
  if (s.flag("transB")) b = swap_axes(b, 0, 1);
  var sum = matmul_integer(s, a, b, s.in(2), s.optional(5));
  if (s.has(6)) sum = sum + s.in(6);
  const var scale = flat(s.in(1)) * flat(s.in(4)) * static_cast<double>(s.real("alpha", 1.0f));
  const var real = cast(sum, dtype::f32) * scale;
  s.out[0] = s.has(7) ? quantize(real, s.in(7), s.optional(8), s.has(8) ? s.in(8).type() : a.type()) : real;
}

/// com.microsoft: A f32, B 8-bit, b_scale, b_zero, bias.
inline void lower_dynamic_quantize_matmul(node_scope& s) {
  const var a = s.in(0);
  if (s.to.failed()) return;
  const auto q = dynamic_quantize(a);
  const var sum = matmul_integer(s, q[0], s.in(1), q[2], s.optional(3));
  var y = cast(sum, dtype::f32) * (q[1] * flat(s.in(2)));
  if (s.has(4)) y = y + s.in(4);
  s.out[0] = y;
}

/// com.microsoft: A, B, a_scale, b_scale, a_zero, b_zero, bias.
inline void lower_matmul_integer_to_float(node_scope& s) {
  const var sum = matmul_integer(s, s.in(0), s.in(1), s.optional(4), s.optional(5));
  var y = cast(sum, dtype::f32) * (flat(s.in(2)) * flat(s.in(3)));
  if (s.has(6)) y = y + s.in(6);
  s.out[0] = y;
}

/// The values that 8 bits per block of the last axis leave of x; one scale per block, from its largest magnitude.
inline var rounded_by_block(var x, std::int64_t block) {
  if (x.to->failed()) return x;
  const std::int64_t k = x.dim(x.rank() - 1), rows = x.count() / k, blocks = (k + block - 1) / block;
  const var flat_x = x.to->reshape(x, {rows, k});
  const var whole = pad(flat_x, kernels::nd::pad_fn::constant, {0, 0}, {0, blocks * block - k});
  const var parts = x.to->reshape(whole, {rows, blocks, block});
  const var most = reduce(reduce_fn::max, unary(unary_fn::abs, parts), {2}, true) / 127.0;
  const var scale = binary(binary_fn::max, most, scalar(*x.to, x.type(), 1e-30));
  const var y = unary(unary_fn::round, parts / scale) * scale;
  return x.to->reshape(slice(x.to->reshape(y, {rows, blocks * block}), 1, 0, k), x.dims());
}

inline void lower_matmul_nbits(node_scope& s) {
  var a = s.in(0);
  const var b = s.in(1), scales = s.in(2);
  const std::int64_t k = s.integer("K", 0), n = s.integer("N", 0), bits = s.integer("bits", 4),
                     block = s.integer("block_size", 0);
  if (s.to.failed()) return;
  if (bits != 2 && bits != 4 && bits != 8)
    return s.fail(errc::unsupported, "MatMulNBits: attribute bits must be 2, 4 or 8");
  if (block < 16 || (block & (block - 1)) != 0 || k < 1 || n < 1 || a.rank() < 1 || a.dim(a.rank() - 1) != k)
    return s.fail(errc::bad_value, "MatMulNBits: attributes K, N or block_size do not fit");
  dim_list dims = a.dims();
  dims.back() = n;
  if (s.integer("accuracy_level", 0) == 4 && bits == 4 && a.type() == dtype::f32) a = rounded_by_block(a, block);
  s.out[0] = s.to.emit(op_kind::nd_matmul_nbits, {a, b, scales, s.optional(3), s.optional(4), s.optional(5)},
                       {static_cast<std::int32_t>(k), static_cast<std::int32_t>(n), static_cast<std::int32_t>(bits),
                        static_cast<std::int32_t>(block)},
                       a.type(), dims);
}

/// com.microsoft: a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero.
inline void lower_qlinear_binary(node_scope& s) {
  if (s.node.op == "QLinearMul") {  // the product of the numbers is exact
    const auto centred = [&](std::size_t x, std::size_t zero) {
      const var wide = cast(s.in(x), dtype::s32);
      return s.has(zero) ? wide - flat(cast(s.in(zero), dtype::s32)) : wide;
    };
    const var scale = flat(s.in(1)) * flat(s.in(4)) / flat(s.in(6));
    const var real = cast(centred(0, 2) * centred(3, 5), dtype::f32) * scale;
    s.out[0] = quantize(real, scalar(s.to, dtype::f32, 1), s.optional(7), s.in(0).type());
    return;
  }
  const var a = dequantize({s.in(0), s.in(1), s.optional(2)}, dtype::f32);
  const var b = dequantize({s.in(3), s.in(4), s.optional(5)}, dtype::f32);
  s.out[0] = quantize(a + b, s.in(6), s.optional(7), s.in(0).type());
}

/// com.microsoft: x, x_scale, x_zero, y_scale, y_zero.
inline void lower_qlinear_unary(node_scope& s) {
  const var x = dequantize({s.in(0), s.in(1), s.optional(2)}, dtype::f32);
  const var y = s.node.op == "QLinearSigmoid"   ? sigmoid(x)
                : s.node.op == "QLinearSoftmax" ? softmax(softmax_fn::softmax, x, s.axis("axis", -1, x.rank()))
                                                : unary(unary_fn::leaky_relu, x, s.real("alpha", 0.01f));
  s.out[0] = quantize(y, s.in(3), s.optional(4), s.in(0).type());
}

/// com.microsoft: x, x_scale, x_zero, y_scale, y_zero; channels_last or not.
inline void lower_qlinear_pool(node_scope& s) {
  var x = dequantize({s.in(0), s.in(1), s.optional(2)}, dtype::f32);
  const bool last = s.flag("channels_last");
  if (s.to.failed()) return;
  if (x.rank() != 4) return s.fail(errc::unsupported, "only images are supported");
  if (last) x = transpose(x, {0, 3, 1, 2});
  const var inputs[] = {x};
  onnx::node plain = s.node;
  plain.op = s.node.op == "QLinearAveragePool" ? "AveragePool" : "GlobalAveragePool";
  node_scope inner(s.to, plain, 13, inputs);
  plain.op == "AveragePool" ? lower_pool(inner) : lower_global_pool(inner);
  if (s.to.failed()) return;
  const var y = last ? transpose(inner.out[0], {0, 2, 3, 1}) : inner.out[0];
  s.out[0] = quantize(y, s.in(3), s.optional(4), s.in(0).type());
}

/// com.microsoft: y_scale, y_zero, then x, x_scale, x_zero for each part.
inline void lower_qlinear_concat(node_scope& s) {
  std::vector<var> parts;
  for (std::size_t i = 2; i + 2 < s.inputs(); i += 3)
    parts.push_back(dequantize({s.in(i), s.in(i + 1), s.optional(i + 2)}, dtype::f32));
  if (parts.empty()) return s.fail(errc::bad_value, "QLinearConcat: no inputs");
  const std::int64_t axis = s.axis("axis", 0, parts[0].rank());
  if (!s.to.failed()) s.out[0] = quantize(concat(s.to, parts, axis), s.in(0), s.optional(1), s.in(2).type());
}

inline constexpr lowering quantized_lowerings[] = {
    {"", "ConvInteger", lower_conv_integer},
    {"", "DequantizeLinear", lower_dequantize},
    {"", "DynamicQuantizeLinear", lower_dynamic_quantize},
    {"", "MatMulInteger", lower_matmul_integer},
    {"", "QLinearConv", lower_qlinear_conv},
    {"", "QLinearMatMul", lower_qlinear_matmul},
    {"", "QuantizeLinear", lower_quantize},
    {microsoft, "DequantizeLinear", lower_dequantize},
    {microsoft, "DynamicQuantizeMatMul", lower_dynamic_quantize_matmul},
    {microsoft, "MatMulIntegerToFloat", lower_matmul_integer_to_float},
    {microsoft, "MatMulNBits", lower_matmul_nbits},
    {microsoft, "QGemm", lower_qgemm},
    {microsoft, "QLinearAdd", lower_qlinear_binary},
    {microsoft, "QLinearAveragePool", lower_qlinear_pool},
    {microsoft, "QLinearConcat", lower_qlinear_concat},
    {microsoft, "QLinearGlobalAveragePool", lower_qlinear_pool},
    {microsoft, "QLinearLeakyRelu", lower_qlinear_unary},
    {microsoft, "QLinearMul", lower_qlinear_binary},
    {microsoft, "QLinearSigmoid", lower_qlinear_unary},
    {microsoft, "QLinearSoftmax", lower_qlinear_unary},
    {microsoft, "QuantizeLinear", lower_quantize},
};

}  // namespace dsmm::inline DSMM_ABI::convert
