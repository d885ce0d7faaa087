// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/kernels/nd/functions.hpp"
#include "dsmm/model/infer/nd/elementwise.hpp"
#include "dsmm/model/infer/nd/nd_scope.hpp"
#include "dsmm/model/infer/windows.hpp"

/// Shape rules of general operators that multiply matrices or slide windows, and of recurrent ones.
namespace dsmm::inline DSMM_ABI::infer_impl {

/// An activation as three attributes: function, alpha, beta. Only functions of floats, and none that changes the type.
inline bool is_activation(const nd_scope& op, std::uint32_t first, dtype type) noexcept {
  if (op.attribute(first) == 0) return true;
  dtype y{};
  return op.choice(first, count_of<fn::unary_fn>()) && is_float(type) &&
         unary_type(static_cast<fn::unary_fn>(op.attribute(first)), type, y) && y == type;
}

/// Shapes of a matrix product: batch axes broadcast, the last two multiply.
inline nd_shape product_shape(nd_shape a, nd_shape b, bool trans_a, bool trans_b) noexcept {
  if (a.rank < 2 || b.rank < 2) {
    a.fits = false;
    return a;
  }
  if (trans_a) std::swap(a.dims[a.rank - 1], a.dims[a.rank - 2]);
  if (trans_b) std::swap(b.dims[b.rank - 1], b.dims[b.rank - 2]);
  const std::int64_t m = a.dims[a.rank - 2], n = b.dims[b.rank - 1];
  const bool inner = a.dims[a.rank - 1] == b.dims[b.rank - 2];
  a.dims[a.rank - 2] = a.dims[a.rank - 1] = b.dims[b.rank - 2] = b.dims[b.rank - 1] = 1;
  nd_shape y = broadcast(a, b);
  y.fits = y.fits && inner;
  y.dims[y.rank - 2] = m;
  y.dims[y.rank - 1] = n;
  return y;
}

inline result<void> nd_matmul(const nd_scope& op) noexcept {
  if (!op.choice(0, 2) || !op.choice(1, 2)) return op.bad_attribute();
  const dtype type = op.type(0);
  if (!is_float(type) && !(is_integer(type) && size_of(type) >= 4)) return op.bad_type();
  if (op.type(1) != type || (op.has(2) && op.type(2) != type)) return op.bad_type();
  const nd_shape y = product_shape(op.shape(0), op.shape(1), op.attribute(0) != 0, op.attribute(1) != 0);
  if (!y.fits || (op.has(2) && !broadcasts_to(op.shape(2), y))) return op.bad_shape();
  if (!is_float(type) && (op.attribute_f32(2) != 1.0f || op.attribute_f32(3) != 1.0f)) return op.bad_attribute();
  if (!is_activation(op, 4, type)) return op.bad_attribute();
  return op.expect(0, type, y);
}

/// Inputs 4 and 5 of an integer product with n columns or channels: f32, one number or n; a bias only with a scale.
inline result<dtype> scaled_type(const nd_scope& op, std::int64_t n) noexcept {
  if (!op.has(4)) {
    if (op.has(5)) return op.bad_type().error();
    return dtype::s32;
  }
  for (const std::uint32_t i : {4u, 5u}) {
    if (!op.has(i)) continue;
    if (op.type(i) != dtype::f32) return op.bad_type().error();
    const std::int64_t count = op.shape(i).elements();
    if (count != 1 && count != n) return op.bad_shape().error();
  }
  return dtype::f32;
}

inline result<void> nd_matmul_integer(const nd_scope& op) noexcept {
  const auto byte = [](dtype t) { return t == dtype::u8 || t == dtype::s8; };
  if (!byte(op.type(0)) || !byte(op.type(1))) return op.bad_type();
  for (const std::uint32_t i : {0u, 1u})
    if (op.has(2 + i) && op.type(2 + i) != op.type(i)) return op.bad_type();
  const nd_shape a = op.shape(0), b = op.shape(1), y = product_shape(a, b, false, false);
  if (!y.fits || a.dims[a.rank - 1] > 1 << 15) return op.bad_shape();  // 2^15 * 2^16 fits s32
  if (op.has(2) && op.shape(2).elements() != 1 && (op.rank(2) != 1 || op.shape(2).dims[0] != a.dims[a.rank - 2]))
    return op.bad_shape();
  if (op.has(3) && op.shape(3).elements() != 1 && (op.rank(3) != 1 || op.shape(3).dims[0] != b.dims[b.rank - 1]))
    return op.bad_shape();
  const auto type = scaled_type(op, b.dims[b.rank - 1]);
  return type ? op.expect(0, *type, y) : type.error();
}

/// a (.., K) times the transpose of b (N, K) in blocks of few bits: b (N, blocks, block * bits / 8), scales (N,
/// blocks).
inline result<void> nd_matmul_nbits(const nd_scope& op) noexcept {
  const std::int64_t k = op.attribute(0), n = op.attribute(1), bits = op.attribute(2), block = op.attribute(3);
  if (k < 1 || n < 1 || (bits != 2 && bits != 4 && bits != 8) || !in_range(op.attribute(3), 16, 1 << 14) ||
      block % 16 != 0)
    return op.bad_attribute();
  const std::int64_t blocks = (k + block - 1) / block, count = blocks * n;
  const dtype type = op.type(0);
  if ((type != dtype::f32 && type != dtype::f16 && type != dtype::bf16) || op.type(1) != dtype::u8 ||
      op.type(2) != type || (op.has(3) && op.type(3) != type && op.type(3) != dtype::u8) ||
      (op.has(4) && op.type(4) != dtype::s32) || (op.has(5) && op.type(5) != type))
    return op.bad_type();
  nd_shape y = op.shape(0);
  if (y.rank < 1 || y.dims[y.rank - 1] != k || op.shape(1).elements() != count * (block * bits / 8) ||
      op.shape(2).elements() != count || (op.has(4) && op.shape(4).elements() < k) ||
      (op.has(5) && op.shape(5).elements() != n))
    return op.bad_shape();
  if (op.has(3) && op.shape(3).elements() != (op.type(3) == type ? count : n * ((blocks * bits + 7) / 8)))
    return op.bad_shape();
  y.dims[y.rank - 1] = n;
  return op.expect(0, type, y);
}

/// Three attributes each from `first`: strides, dilations, pads before, pads after.
inline axis_window window_of(const nd_scope& op, std::uint32_t first, std::uint32_t i, std::int64_t kernel) noexcept {
  return {static_cast<std::int32_t>(kernel), op.attribute(first + i), op.attribute(first + 6 + i),
          op.attribute(first + 9 + i), op.attribute(first + 3 + i)};
}

/// Attributes group, spatial rank, activation (3), then the windows: nd_conv, nd_conv_integer.
inline result<void> convolution(const nd_scope& op, dtype y_type) noexcept {
  const nd_shape x = op.shape(0), w = op.shape(1);
  const std::int32_t spatial = op.attribute(1);
  const std::int64_t group = op.attribute(0);
  if (!in_range(spatial, 1, 3) || group < 1) return op.bad_attribute();
  if (x.rank != static_cast<std::size_t>(spatial) + 2 || w.rank != x.rank || w.elements() == 0) return op.bad_shape();
  if (x.dims[1] != w.dims[1] * group || w.dims[0] % group != 0) return op.bad_shape();
  nd_shape y;
  y.push(x.dims[0]);
  y.push(w.dims[0]);
  for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(spatial); ++i) {
    const axis_window window = window_of(op, 5, i, std::min<std::int64_t>(w.dims[2 + i], format::max_window + 1));
    if (!window.fits()) return op.bad_attribute();
    const std::int64_t size = window.output(static_cast<std::int32_t>(x.dims[2 + i]));
    if (size < 1) return op.bad_shape();
    y.push(size);
  }
  return op.expect(0, y_type, y);
}

inline result<void> nd_conv(const nd_scope& op) noexcept {
  const dtype type = op.type(0);
  if (!is_float(type) || op.type(1) != type || (op.has(2) && op.type(2) != type) || (op.has(3) && op.type(3) != type))
    return op.bad_type();
  if (!is_activation(op, 2, type)) return op.bad_attribute();
  if (op.has(2) && (op.rank(2) != 1 || op.shape(2).dims[0] != op.shape(1).dims[0])) return op.bad_shape();
  if (op.has(3) && !(op.shape(3) == op.output_shape())) return op.bad_shape();
  return convolution(op, type);
}

inline result<void> nd_conv_integer(const nd_scope& op) noexcept {
  const auto byte = [](dtype t) { return t == dtype::u8 || t == dtype::s8; };
  if (!byte(op.type(0)) || !byte(op.type(1))) return op.bad_type();
  for (const std::uint32_t i : {0u, 1u})
    if (op.has(2 + i) && op.type(2 + i) != op.type(i)) return op.bad_type();
  const nd_shape w = op.shape(1);
  if (w.rank < 3) return op.bad_attribute();
  if (w.elements() / std::max<std::int64_t>(w.dims[0], 1) > 1 << 15) return op.bad_shape();  // sums fit s32
  if (op.has(2) && op.shape(2).elements() != 1) return op.bad_shape();
  if (op.has(3) && op.shape(3).elements() != 1 && (op.rank(3) != 1 || op.shape(3).dims[0] != w.dims[0]))
    return op.bad_shape();
  const auto type = scaled_type(op, w.dims[0]);
  if (!type) return type.error();
  if (!is_activation(op, 2, *type)) return op.bad_attribute();
  return convolution(op, *type);
}

inline result<void> nd_conv_transpose(const nd_scope& op) noexcept {
  const dtype type = op.type(0);
  const nd_shape x = op.shape(0), w = op.shape(1);
  const std::int32_t spatial = op.attribute(1);
  const std::int64_t group = op.attribute(0);
  if (!is_float(type) || op.type(1) != type || (op.has(2) && op.type(2) != type)) return op.bad_type();
  if (!in_range(spatial, 1, 3) || group < 1 || !is_activation(op, 2, type)) return op.bad_attribute();
  if (x.rank != static_cast<std::size_t>(spatial) + 2 || w.rank != x.rank || w.elements() == 0) return op.bad_shape();
  if (x.dims[1] != w.dims[0] || x.dims[1] % group != 0) return op.bad_shape();
  if (op.has(2) && (op.rank(2) != 1 || op.shape(2).dims[0] != w.dims[1] * group)) return op.bad_shape();
  nd_shape y;
  y.push(x.dims[0]);
  y.push(w.dims[1] * group);
  for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(spatial); ++i) {
    const std::int32_t before = op.attribute(11 + i), after = op.attribute(14 + i), more = op.attribute(17 + i);
    axis_window window = window_of(op, 5, i, std::min<std::int64_t>(w.dims[2 + i], format::max_window + 1));
    window.pad_before = window.pad_after = 0;
    if (!window.fits() || !in_range(before, -format::max_window, format::max_window) ||
        !in_range(after, -format::max_window, format::max_window) || !in_range(more, 0, format::max_window))
      return op.bad_attribute();
    const std::int64_t size = (x.dims[2 + i] - 1) * window.stride + window.reach() + more - before - after;
    if (x.dims[2 + i] < 1 || size < 1) return op.bad_shape();
    y.push(size);
  }
  return op.expect(0, type, y);
}

/// Attributes function, spatial rank, p, count_include_pad, ceil_mode, column_major, kernel (3), then the windows.
inline result<void> nd_pool(const nd_scope& op) noexcept {
  if (!op.choice(0, count_of<fn::pool_fn>()) || !in_range(op.attribute(1), 1, 3) || !in_range(op.attribute(2), 1, 64) ||
      !op.choice(3, 2) || !op.choice(4, 2) || !op.choice(5, 2))
    return op.bad_attribute();
  const nd_shape x = op.shape(0);
  const auto spatial = static_cast<std::uint32_t>(op.attribute(1));
  const bool max = op.attribute(0) == 0;
  if (max ? !is_numeric(op.type(0)) : !is_float(op.type(0))) return op.bad_type();
  if (!max && op.row().output_count > 1) return op.bad_attribute();
  if (x.rank != spatial + 2) return op.bad_shape();
  nd_shape y;
  y.push(x.dims[0]);
  y.push(x.dims[1]);
  for (std::uint32_t i = 0; i < spatial; ++i) {
    const axis_window w = window_of(op, 9, i, op.attribute(6 + i));
    const std::int64_t size = x.dims[2 + i];
    if (!in_range(w.kernel, 1, format::max_window) || !w.fits()) return op.bad_attribute();
    std::int64_t out = w.output(static_cast<std::int32_t>(size));
    if (op.attribute(4) != 0) {  // the last window may hang over, but must start inside the image or its padding
      const std::int64_t room = size + w.pad_before + w.pad_after - w.reach();
      out = room < 0 ? 0 : (room + w.stride - 1) / w.stride + 1;
      if ((out - 1) * w.stride >= size + w.pad_before) --out;
    }
    if (out < 1 || size < 1) return op.bad_shape();
    y.push(out);
  }
  if (auto r = op.expect(0, op.type(0), y); !r) return r;
  return op.expect(1, dtype::s64, y);
}

/// x (T, B, I), w (D, G H, I), r (D, G H, H), bias (D, 2 G H), lengths (B), h0 and c0 (D, B, H), peepholes (D, 3 H).
inline result<void> nd_rnn(const nd_scope& op) noexcept {
  if (!op.choice(0, count_of<fn::rnn_fn>()) || !op.choice(1, 3) || !op.choice(3, 2) || !op.choice(4, 2))
    return op.bad_attribute();
  const dtype type = op.type(0);
  const std::int64_t hidden = op.attribute(2), gates = op.attribute(0) == 0 ? 4 : op.attribute(0) == 1 ? 3 : 1;
  const std::int64_t directions = op.attribute(1) == 2 ? 2 : 1;
  if (!in_range(op.attribute(2), 1, format::max_window * 4)) return op.bad_attribute();
  for (std::uint32_t i = 6; i < 12; ++i) {
    dtype y{};
    if (!op.choice(i, count_of<fn::unary_fn>()) || !unary_type(static_cast<fn::unary_fn>(op.attribute(i)), type, y) ||
        y != type)
      return op.bad_attribute();
  }
  if (!is_float(type)) return op.bad_type();
  const nd_shape x = op.shape(0);
  const auto is = [&](std::uint32_t i, std::initializer_list<std::int64_t> dims) {
    if (!op.has(i)) return true;
    nd_shape s;
    for (const std::int64_t d : dims) s.push(d);
    return op.type(i) == (i == 4 ? dtype::s32 : type) && op.shape(i) == s;
  };
  if (x.rank != 3 || (op.attribute(0) != 0 && (op.has(6) || op.has(7)))) return op.bad_shape();
  if (!is(1, {directions, gates * hidden, x.dims[2]}) || !is(2, {directions, gates * hidden, hidden}) ||
      !is(3, {directions, 2 * gates * hidden}) || !is(4, {x.dims[1]}) || !is(5, {directions, x.dims[1], hidden}) ||
      !is(6, {directions, x.dims[1], hidden}) || !is(7, {directions, 3 * hidden}))
    return op.bad_shape();
  nd_shape y, last;
  y.push(x.dims[0]);
  for (const std::int64_t d : {directions, x.dims[1], hidden}) y.push(d), last.push(d);
  if (auto r = op.expect(0, type, y); !r) return r;
  for (std::uint32_t k = 1; k < 3; ++k)
    if (auto r = op.expect(k, type, last); !r) return r;
  return {};
}

/// x (N, C, spatial), grid (N, out spatial, spatial rank).
inline result<void> nd_grid_sample(const nd_scope& op) noexcept {
  if (!op.choice(0, count_of<fn::grid_fn>()) || !op.choice(1, count_of<fn::grid_padding>()) || !op.choice(2, 2))
    return op.bad_attribute();
  const nd_shape x = op.shape(0), grid = op.shape(1);
  if (!is_float(op.type(0)) || op.type(1) != op.type(0)) return op.bad_type();
  if ((x.rank != 4 && x.rank != 5) || grid.rank != x.rank || grid.dims[0] != x.dims[0] ||
      grid.dims[x.rank - 1] != static_cast<std::int64_t>(x.rank) - 2 || x.elements() == 0 ||
      (x.rank == 5 && op.attribute(0) == 2))
    return op.bad_shape();
  nd_shape y;
  y.push(x.dims[0]);
  y.push(x.dims[1]);
  for (std::size_t i = 1; i + 1 < grid.rank; ++i) y.push(grid.dims[i]);
  return op.expect(0, op.type(0), y);
}

/// x (N, C, H, W), rois (R, 4), batch index of each (R); the output size is what the output says.
inline result<void> nd_roi_align(const nd_scope& op) noexcept {
  const float scale = op.attribute_f32(3);
  if (!op.choice(0, 2) || !op.choice(1, 2) || !in_range(op.attribute(2), 0, 64) || !(scale > 0.0f && scale <= 1024.0f))
    return op.bad_attribute();
  if (!is_float(op.type(0)) || op.type(1) != op.type(0) || !is_index_type(op.type(2))) return op.bad_type();
  const nd_shape x = op.shape(0), rois = op.shape(1), claimed = op.output_shape();
  if (x.rank != 4 || x.elements() == 0 || rois.rank != 2 || rois.dims[1] != 4 || op.rank(2) != 1 ||
      op.shape(2).dims[0] != rois.dims[0] || claimed.rank != 4)
    return op.bad_shape();
  nd_shape y;
  for (const std::int64_t d : {rois.dims[0], x.dims[1], claimed.dims[2], claimed.dims[3]}) y.push(d);
  return op.expect(0, op.type(0), y);
}

}  // namespace dsmm::inline DSMM_ABI::infer_impl
