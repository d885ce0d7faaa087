// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/model/infer/op_scope.hpp"
#include "dsmm/model/infer/windows.hpp"

/// Shape rules of the ops that look at one pixel at a time, or move pixels.
namespace dsmm::inline DSMM_ABI::infer_impl {

inline output_form same_shape(const format::tensor_row& x, dtype type) noexcept {
  return {shape_of(x), type == dtype::u8, type == dtype::f32};
}

/// b has the shape of a, or is (1, 1, C).
inline bool broadcasts(const format::tensor_row& a, const format::tensor_row& b) noexcept {
  return shape_of(a) == shape_of(b) || shape_of(b) == extents{1, 1, a.dims[2]};
}

/// add, mul
inline result<output_form> binary(const op_scope& op) noexcept {
  const format::tensor_row& a = op.input(0);
  const format::tensor_row& b = op.input(1);
  if (!is_data(a, dtype::u8) || !is_data(b, dtype::u8))
    return op.fail(errc::dtype_mismatch, "op: both inputs must be u8");
  if (!broadcasts(a, b))
    return op.fail(errc::shape_mismatch, "op: the second input must have the shape of the first, or (1, 1, C)");
  if (!is_flag(op.attribute(0))) return op.fail(errc::bad_value, "op: relu must be 0 or 1");
  return same_shape(a, dtype::u8);
}

inline result<output_form> concat(const op_scope& op) noexcept {
  const std::int32_t axis = op.attribute(0);
  if (axis != 0 && axis != 2) return op.fail(errc::bad_value, "concat: axis must be 0 (H) or 2 (C)");
  const format::tensor_row& first = op.input(0);
  std::int64_t along = 0;
  for (std::uint32_t i = 0; i < op.inputs(); ++i) {
    const format::tensor_row& x = op.input(i);
    if (!is_data(x) || type_of(x) != type_of(first) || (type_of(x) != dtype::u8 && type_of(x) != dtype::f32))
      return op.fail(errc::dtype_mismatch, "concat: inputs must all be u8 or all f32");
    for (const std::size_t d : {std::size_t{0}, std::size_t{1}, std::size_t{2}})
      if (d != static_cast<std::size_t>(axis) && x.dims[d] != first.dims[d])
        return op.fail(errc::shape_mismatch, "concat: inputs may differ along the axis only");
    along += x.dims[static_cast<std::size_t>(axis)];
  }
  if (along > format::max_extent) return op.fail(errc::too_large, "concat: the result is longer than 2^24");
  output_form out = same_shape(first, type_of(first));
  (axis == 0 ? out.shape.h : out.shape.c) = static_cast<std::int32_t>(along);
  return out;
}

inline result<output_form> resize(const op_scope& op) noexcept {
  const format::tensor_row& x = op.input(0);
  if (!is_data(x) || (type_of(x) != dtype::u8 && type_of(x) != dtype::f32))
    return op.fail(errc::dtype_mismatch, "resize: input must be u8 or f32");
  if (!is_flag(op.attribute(0))) return op.fail(errc::bad_value, "resize: mode must be 0 (nearest) or 1 (bilinear)");
  if (!in_range(op.attribute(1), 1, format::max_window) || !in_range(op.attribute(2), 1, format::max_window))
    return op.fail(errc::bad_value, "resize: output sizes must be 1 to 16384");
  output_form out = same_shape(x, type_of(x));
  out.shape.h = op.attribute(1);
  out.shape.w = op.attribute(2);
  out.same_scale_as = out.u8 ? 0 : -1;
  return out;
}

inline result<output_form> softmax(const op_scope& op) noexcept {
  if (!is_data(op.input(0), dtype::f32)) return op.fail(errc::dtype_mismatch, "softmax: input must be f32");
  return same_shape(op.input(0), dtype::f32);
}

inline result<output_form> lut(const op_scope& op) noexcept {
  const format::tensor_row& table = op.input(1);
  if (!is_data(op.input(0), dtype::u8)) return op.fail(errc::dtype_mismatch, "lut: input must be u8");
  if (!is_vector(table, dtype::s32, 256)) return op.fail(errc::shape_mismatch, "lut: its table must be s32 (256)");
  for (std::size_t i = 0; i < 256; ++i)
    if (!in_range(op.element<std::int32_t>(table, i), 0, 255))
      return op.fail(errc::bad_value, "lut: its table must hold 0 to 255");
  return same_shape(op.input(0), dtype::u8);
}

inline result<output_form> quantize(const op_scope& op) noexcept {
  const format::tensor_row& x = op.input(0);
  if (!is_data(x, dtype::f32)) return op.fail(errc::dtype_mismatch, "quantize: input must be f32");
  if (!is_vector(op.input(1), dtype::f32, x.dims[2]) || !is_vector(op.input(2), dtype::f32, x.dims[2]))
    return op.fail(errc::shape_mismatch, "quantize: scale and offset must be f32, one per channel");
  return same_shape(x, dtype::u8);
}

inline result<output_form> quantize_planes(const op_scope& op) noexcept {
  const format::tensor_row& x = op.input(0);
  if (!is_planes(x)) return op.fail(errc::shape_mismatch, "quantize_planes: input must be f32 (1, C, H, W)");
  if (!is_vector(op.input(1), dtype::f32, x.dims[1]) || !is_vector(op.input(2), dtype::f32, x.dims[1]))
    return op.fail(errc::shape_mismatch, "quantize_planes: scale and offset must be f32, one per channel");
  output_form out = same_shape(x, dtype::u8);
  out.shape = {x.dims[2], x.dims[3], x.dims[1]};
  return out;
}

inline result<output_form> dequantize(const op_scope& op) noexcept {
  if (!is_data(op.input(0), dtype::u8)) return op.fail(errc::dtype_mismatch, "dequantize: input must be u8");
  return same_shape(op.input(0), dtype::f32);
}

inline result<output_form> select(const op_scope& op) noexcept {
  const format::tensor_row& flag = op.input(0);
  const format::tensor_row& x = op.input(1);
  const format::tensor_row& otherwise = op.input(2);
  if (!is_data(flag, dtype::f32) || shape_of(flag) != extents{1, 1, 1})
    return op.fail(errc::shape_mismatch, "select: its flag must be f32 (1, 1, 1)");
  if (!is_data(x) || !is_data(otherwise) || type_of(x) != type_of(otherwise) ||
      (type_of(x) != dtype::u8 && type_of(x) != dtype::f32))
    return op.fail(errc::dtype_mismatch, "select: both choices must be u8, or both f32");
  if (!broadcasts(x, otherwise))
    return op.fail(errc::shape_mismatch, "select: the other choice must have the same shape, or (1, 1, C)");
  if (!same_scale(x, otherwise)) return op.fail(errc::dtype_mismatch, "select: both choices must have the same scale");
  output_form out = same_shape(x, type_of(x));
  out.same_scale_as = out.u8 ? 1 : -1;
  return out;
}

inline result<output_form> reduce(const op_scope& op) noexcept {
  if (!is_data(op.input(0), dtype::f32)) return op.fail(errc::dtype_mismatch, "reduce: input must be f32");
  if (!is_flag(op.attribute(0))) return op.fail(errc::bad_value, "reduce: mode must be 0 (sum) or 1 (max)");
  return output_form{{1, 1, 1}, false, true};
}

/// knots (N, 2, P): x strictly ascending in each row, so that no segment has length zero.
inline result<output_form> calibrate(const op_scope& op) noexcept {
  const format::tensor_row& x = op.input(0);
  const format::tensor_row& knots = op.input(1);
  if (!is_data(x, dtype::f32) || x.dims[0] != 1 || x.dims[1] != 1)
    return op.fail(errc::shape_mismatch, "calibrate: input must be f32 (1, 1, N)");
  if (!is_constant(knots, dtype::f32, 3) || knots.dims[0] != x.dims[2] || knots.dims[1] != 2 || knots.dims[2] < 2)
    return op.fail(errc::shape_mismatch, "calibrate: knots must be f32 (N, 2, P) with P >= 2");
  const auto points = static_cast<std::size_t>(knots.dims[2]);
  for (std::size_t n = 0; n < static_cast<std::size_t>(x.dims[2]); ++n)
    for (std::size_t p = 1; p < points; ++p)
      if (!(op.element<float>(knots, 2 * n * points + p - 1) < op.element<float>(knots, 2 * n * points + p)))
        return op.fail(errc::bad_value, "calibrate: the x of its knots must ascend");
  return same_shape(x, dtype::f32);
}

}  // namespace dsmm::inline DSMM_ABI::infer_impl
