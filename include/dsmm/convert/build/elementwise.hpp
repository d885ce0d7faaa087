// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/builder.hpp"
#include "dsmm/core/dtype.hpp"
#include "dsmm/kernels/nd/cast.hpp"
#include "dsmm/kernels/nd/functions.hpp"

/// General operators as functions on values, so that what ONNX composes reads like its formula.
namespace dsmm::inline DSMM_ABI::convert {

using kernels::nd::binary_fn;
using kernels::nd::unary_fn;

inline std::int32_t bits_of(float x) noexcept { return std::bit_cast<std::int32_t>(x); }

/// More axes than an op takes as so many as it does: the first ones become one.
inline dim_list folded(const dim_list& dims) {
  const std::size_t more = dims.size() - format::max_rank;
  dim_list out(dims.begin() + static_cast<std::ptrdiff_t>(more), dims.end());
  for (std::size_t i = 0; i < more; ++i) out[0] *= dims[i];
  return out;
}

/// Elementwise function; is_nan, is_inf and logical_not give b8.
inline var unary(unary_fn fn, var x, float alpha = 0, float beta = 0) {
  if (!x.to->failed() && x.dims().size() > format::max_rank) {
    const dim_list dims = x.dims();
    return x.to->reshape(unary(fn, x.to->reshape(x, folded(dims)), alpha, beta), dims);
  }
  const bool is_test = fn == unary_fn::is_nan || fn == unary_fn::is_inf || fn == unary_fn::logical_not;
  return x.to->emit(op_kind::nd_unary, {x}, {static_cast<std::int32_t>(fn), bits_of(alpha), bits_of(beta)},
                    is_test ? dtype::b8 : x.type(), x.dims());
}

/// saturate: floats of 8 bits are clamped to their range instead of becoming infinite or NaN.
inline var cast(var x, dtype type, bool saturate = true) {
  if (x.type() == type) return x;
  if (!x.to->failed() && x.dims().size() > format::max_rank) {
    const dim_list dims = x.dims();
    return x.to->reshape(cast(x.to->reshape(x, folded(dims)), type, saturate), dims);
  }
  return x.to->emit(op_kind::nd_cast, {x}, {saturate ? 1 : 0}, type, x.dims());
}

/// A constant of rank 0 of any type; integers saturate.
inline var scalar(builder& to, dtype type, double v) {
  const auto of = [&](auto value) { return to.constant(type, {}, std::span<const decltype(value)>(&value, 1)); };
  switch (type) {
    case dtype::f32: return of(static_cast<float>(v));
    case dtype::f64: return of(v);
    case dtype::s64: return of(kernels::nd::to_integer<std::int64_t>(v));
    case dtype::s32: return of(kernels::nd::to_integer<std::int32_t>(v));
    case dtype::b8: return of(static_cast<std::uint8_t>(v != 0));
    default: break;
  }
  if (is_float(type)) return cast(scalar(to, dtype::f32, v), type);
  return cast(scalar(to, dtype::s64, v), type);
}

/// Extents of two operands after numpy's broadcasting; a failure of the builder if they do not fit.
inline dim_list broadcast(builder& to, const dim_list& a, const dim_list& b) {
  dim_list out(std::max(a.size(), b.size()), 1);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1, y = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (x != y && x != 1 && y != 1) to.fail(errc::shape_mismatch, "extents of the inputs cannot be broadcast");
    out[out.size() - 1 - i] = x == 1 ? y : x;
  }
  return out;
}

/// Extents of operands and, first, of what they are broadcast to, with neighbouring axes merged that all of them either
/// have or repeat: elementwise functions of more axes than an op takes.
inline std::vector<dim_list> merged_axes(std::vector<dim_list> shapes) {
  const dim_list& whole = shapes[0];
  for (dim_list& d : shapes) d.insert(d.begin(), whole.size() - d.size(), 1);
  std::vector<dim_list> out(shapes.size());
  for (std::size_t i = 0; i < shapes[0].size(); ++i) {
    if (shapes[0][i] == 1) continue;
    bool joins = !out[0].empty();
    for (std::size_t k = 1; k < shapes.size() && joins; ++k) joins = (out[k].back() == 1) == (shapes[k][i] == 1);
    for (std::size_t k = 0; k < shapes.size(); ++k)
      if (joins) out[k].back() *= shapes[k][i];
      else out[k].push_back(shapes[k][i]);
  }
  return out;
}

inline bool is_comparison(binary_fn fn) noexcept { return fn >= binary_fn::equal && fn <= binary_fn::less_equal; }

/// Elementwise function of two operands of one type; comparisons give b8.
inline var binary(binary_fn fn, var a, var b) {
  builder& to = *a.to;
  if (!to.failed() && a.type() != b.type()) return to.fail(errc::dtype_mismatch, "inputs have different element types");
  const dim_list dims = broadcast(to, a.dims(), b.dims());
  if (!to.failed() && dims.size() > format::max_rank) {
    const auto m = merged_axes({dims, a.dims(), b.dims()});
    if (m[0].size() <= format::max_rank) return to.reshape(binary(fn, to.reshape(a, m[1]), to.reshape(b, m[2])), dims);
  }
  return to.emit(op_kind::nd_binary, {a, b}, {static_cast<std::int32_t>(fn)}, is_comparison(fn) ? dtype::b8 : a.type(),
                 dims);
}

inline var where(var condition, var a, var b) {
  builder& to = *condition.to;
  if (!to.failed() && (a.type() != b.type() || condition.type() != dtype::b8))
    return to.fail(errc::dtype_mismatch, "inputs have the wrong element types");
  return to.emit(op_kind::nd_where, {condition, a, b}, {}, a.type(),
                 broadcast(to, broadcast(to, a.dims(), b.dims()), condition.dims()));
}

inline var operator+(var a, var b) { return binary(binary_fn::add, a, b); }
inline var operator-(var a, var b) { return binary(binary_fn::sub, a, b); }
inline var operator*(var a, var b) { return binary(binary_fn::mul, a, b); }
inline var operator/(var a, var b) { return binary(binary_fn::div, a, b); }
inline var operator+(var a, double b) { return a + scalar(*a.to, a.type(), b); }
inline var operator-(var a, double b) { return a - scalar(*a.to, a.type(), b); }
inline var operator*(var a, double b) { return a * scalar(*a.to, a.type(), b); }
inline var operator/(var a, double b) { return a / scalar(*a.to, a.type(), b); }
inline var sqrt(var x) { return unary(unary_fn::sqrt, x); }
inline var sigmoid(var x) { return unary(unary_fn::sigmoid, x); }

/// The elements of a constant as doubles. The caller asked require_constant() before.
inline std::vector<double> reals_of(var x) {
  const var wide = cast(x, dtype::f64);
  std::vector<double> out(static_cast<std::size_t>(std::max<std::int64_t>(wide.count(), 0)));
  if (!wide.is_constant() || wide.value().bytes.size() != out.size() * sizeof(double)) return {};
  if (!out.empty()) std::memcpy(out.data(), wide.value().bytes.data(), out.size() * sizeof(double));
  return out;
}

}  // namespace dsmm::inline DSMM_ABI::convert
