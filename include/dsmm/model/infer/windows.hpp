// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/model/infer/op_scope.hpp"

/// Shape rules of the ops that slide a window: convolutions and pools.
namespace dsmm::inline DSMM_ABI::infer_impl {

/// A window along one axis; its attributes are checked by fits() before output() is asked.
struct axis_window {
  std::int32_t kernel, stride, pad_before, pad_after, dilation;

  std::int64_t reach() const noexcept { return std::int64_t{kernel - 1} * dilation + 1; }
  /// Every attribute in range, and each window covers at least one element of the image.
  bool fits() const noexcept {
    return in_range(kernel, 1, format::max_window) && in_range(stride, 1, format::max_window) &&
           in_range(dilation, 1, format::max_window) && in_range(pad_before, 0, format::max_window) &&
           in_range(pad_after, 0, format::max_window) && pad_before < reach() && pad_after < reach();
  }
  /// Number of windows along `size` elements; 0 or less if not even one fits.
  std::int64_t output(std::int32_t size) const noexcept {
    const std::int64_t room = std::int64_t{size} + pad_before + pad_after - reach();
    return room < 0 ? 0 : room / stride + 1;
  }
};

inline result<extents> slide(const op_scope& op, const axis_window& h, const axis_window& w,
                             std::int32_t channels) noexcept {
  if (!h.fits() || !w.fits())
    return op.fail(errc::bad_value,
                   "op: kernel, stride and dilation must be 1 to 16384, padding below the kernel's reach");
  const extents x = shape_of(op.input(0));
  const std::int64_t rows = h.output(x.h), columns = w.output(x.w);
  if (rows < 1 || columns < 1) return op.fail(errc::shape_mismatch, "op: its kernel is larger than its padded input");
  return extents{static_cast<std::int32_t>(rows), static_cast<std::int32_t>(columns), channels};
}

/// Inputs 1..3 of every convolution: w (O, KH, KW, depth), bias (O), scale (O).
inline result<void> check_weights(const op_scope& op, std::int32_t in_channels) noexcept {
  const format::tensor_row& w = op.input(1);
  if (!is_constant(w, dtype::i4s, 4) && !is_constant(w, dtype::s8, 4))
    return op.fail(errc::dtype_mismatch, "op: weights must be a constant of type i4s or s8 and rank 4");
  if (w.dims[3] != in_channels)
    return op.fail(errc::shape_mismatch, "op: the last dim of its weights must be the input channels per group");
  if (!is_vector(op.input(2), dtype::s32, w.dims[0]) || !is_vector(op.input(3), dtype::f32, w.dims[0]))
    return op.fail(errc::shape_mismatch, "op: bias must be s32 and scale f32, one per output channel");
  for (std::int32_t o = 0; o < w.dims[0]; ++o)
    if (!(op.element<float>(op.input(3), static_cast<std::size_t>(o)) >= 0x1p-126f))
      return op.fail(errc::bad_value, "op: weight scales must be positive and not subnormal");
  return {};
}

inline bool is_flag(std::int32_t value) noexcept { return value == 0 || value == 1; }

inline result<output_form> convolution(const op_scope& op, std::int32_t groups, std::int32_t relu, const axis_window& h,
                                       const axis_window& w) noexcept {
  const format::tensor_row& x = op.input(0);
  const std::int32_t out_channels = op.input(1).dims[0];
  if (!is_flow(x) || !is_data(x, dtype::u8))
    return op.fail(errc::dtype_mismatch, "op: convolves an input or value of type u8, not a state or constant");
  if (!is_flag(relu)) return op.fail(errc::bad_value, "op: relu must be 0 or 1");
  if (groups < 1 || x.dims[2] % groups != 0 || out_channels % groups != 0)
    return op.fail(errc::bad_value, "op: groups must divide input and output channels");
  if (auto r = check_weights(op, x.dims[2] / groups); !r) return r.error();
  const result<extents> shape = slide(op, h, w, out_channels);
  if (!shape) return shape.error();
  return output_form{*shape, true, true};
}

inline result<output_form> conv2d(const op_scope& op) noexcept {
  const auto a = [&](std::uint32_t i) { return op.attribute(i); };
  return convolution(op, a(8), a(9), {op.input(1).dims[1], a(0), a(2), a(4), a(6)},
                     {op.input(1).dims[2], a(1), a(3), a(5), a(7)});
}

inline result<output_form> dwconv2d(const op_scope& op) noexcept {
  const auto a = [&](std::uint32_t i) { return op.attribute(i); };
  if (op.input(1).dims[0] != op.input(0).dims[2])
    return op.fail(errc::shape_mismatch, "dwconv2d: one filter per input channel");
  return convolution(op, op.input(0).dims[2], a(8), {op.input(1).dims[1], a(0), a(2), a(4), a(6)},
                     {op.input(1).dims[2], a(1), a(3), a(5), a(7)});
}

inline result<output_form> linear(const op_scope& op) noexcept {
  const format::tensor_row& x = op.input(0);
  const format::tensor_row& w = op.input(1);
  if (!is_data(x, dtype::u8) || x.kind == format::tensor_kind::constant)
    return op.fail(errc::dtype_mismatch, "linear: input must be u8, and not a constant");
  if (!is_flag(op.attribute(0))) return op.fail(errc::bad_value, "op: relu must be 0 or 1");
  if (auto r = check_weights(op, x.dims[2]); !r) return r.error();
  if (w.dims[1] != 1 || w.dims[2] != 1) return op.fail(errc::shape_mismatch, "linear: weights must be (O, 1, 1, I)");
  return output_form{{x.dims[0], x.dims[1], w.dims[0]}, true, true};
}

inline result<output_form> causal_conv1d(const op_scope& op) noexcept {
  const format::tensor_row& x = op.input(0);
  const format::tensor_row& w = op.input(1);
  const format::tensor_row& past = op.input(4);
  const std::int32_t dilation = op.attribute(0);
  if (!is_flow(x) || !is_data(x, dtype::u8) || x.dims[1] != 1)
    return op.fail(errc::dtype_mismatch, "causal_conv1d: input must be a u8 series (T, 1, I) of this run");
  if (!is_flag(op.attribute(1))) return op.fail(errc::bad_value, "op: relu must be 0 or 1");
  if (auto r = check_weights(op, x.dims[2]); !r) return r.error();
  if (w.dims[2] != 1 || !in_range(w.dims[1], 2, format::max_window) || !in_range(dilation, 1, format::max_window))
    return op.fail(errc::bad_value, "causal_conv1d: weights must be (O, K, 1, I) with K >= 2, dilation 1 to 16384");
  if (past.dims[0] != (w.dims[1] - 1) * dilation || past.dims[1] != 1 || past.dims[2] != x.dims[2])
    return op.fail(errc::shape_mismatch, "causal_conv1d: past must be ((K - 1) * dilation, 1, I)");
  if (type_of(past) != dtype::u8 || !same_scale(x, past))
    return op.fail(errc::dtype_mismatch, "causal_conv1d: past must have type, scale and zero point of the input");
  return output_form{{x.dims[0], 1, w.dims[0]}, true, true};
}

/// max_pool, avg_pool; kernel 0 0 is the whole image, its other attributes then mean nothing but must be 0 or 1.
inline result<output_form> pool(const op_scope& op, bool average) noexcept {
  const format::tensor_row& x = op.input(0);
  if (!is_data(x, dtype::u8) && !is_data(x, dtype::f32))
    return op.fail(errc::dtype_mismatch, "pool: input must be (H, W, C) of u8 or f32");
  const auto a = [&](std::uint32_t i) { return op.attribute(i); };
  extents shape{1, 1, x.dims[2]};
  std::int64_t window = std::int64_t{x.dims[0]} * x.dims[1];
  if (a(0) == 0 && a(1) == 0) {
    if (!is_flag(a(2)) || !is_flag(a(3)) || (a(4) | a(5) | a(6) | a(7)) != 0)
      return op.fail(errc::bad_value, "pool: a global pool has stride 0 or 1 and no padding");
  } else {
    if (!is_flow(x)) return op.fail(errc::bad_value, "pool: only a global pool may read a state or constant");
    const result<extents> out = slide(op, {a(0), a(2), a(4), a(6), 1}, {a(1), a(3), a(5), a(7), 1}, x.dims[2]);
    if (!out) return out.error();
    shape = *out;
    window = std::min(window, std::int64_t{a(0)} * a(1));
  }
  if (average && window * 255 >= std::int64_t{1} << 31)
    return op.fail(errc::too_large, "avg_pool: the sum over its window would not fit 32 bits");
  const bool u8 = type_of(x) == dtype::u8;
  return output_form{shape, u8, !u8, u8 && !average ? 0 : -1};
}

inline result<output_form> max_pool(const op_scope& op) noexcept { return pool(op, false); }
inline result<output_form> avg_pool(const op_scope& op) noexcept { return pool(op, true); }

}  // namespace dsmm::inline DSMM_ABI::infer_impl
