// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/model/infer/op_scope.hpp"
#include "dsmm/model/infer/pointwise.hpp"

/// Shape rules of the transformer and series ops.
namespace dsmm::inline DSMM_ABI::infer_impl {

inline result<output_form> layer_norm(const op_scope& op) noexcept {
  const format::tensor_row& x = op.input(0);
  if (!is_data(x, dtype::u8) && !is_data(x, dtype::f32))
    return op.fail(errc::dtype_mismatch, "layer_norm: input must be u8 or f32");
  if (x.dims[2] > 4096) return op.fail(errc::too_large, "layer_norm: more than 4096 channels");
  if (!is_vector(op.input(1), dtype::f32, x.dims[2]) || !is_vector(op.input(2), dtype::f32, x.dims[2]))
    return op.fail(errc::shape_mismatch, "layer_norm: gamma and beta must be f32, one per channel");
  if (!(op.attribute_f32(0) >= 0x1p-126f) || !(op.attribute_f32(0) <= 1.0f))
    return op.fail(errc::bad_value, "layer_norm: epsilon must be positive and at most 1");
  return same_shape(x, dtype::u8);
}

/// Keeps the integer score of a query and a key below 2^31: 4096 * 255 * (255 + 128) + 2^30, and 2^29 of a bias.
inline result<void> check_relative(const op_scope& op, std::int32_t heads, std::int32_t width) noexcept {
  if (width / heads > 4096) return op.fail(errc::too_large, "attention: more than 4096 values per head");
  if (op.has(3)) {
    const format::tensor_row& r = op.input(3);
    if (!is_constant(r, dtype::s8, 2) || r.dims[1] != width)
      return op.fail(errc::shape_mismatch, "attention: r must be an s8 constant (L, D)");
  }
  if (op.has(4)) {
    const format::tensor_row& rb = op.input(4);
    if (!is_constant(rb, dtype::s32, 2) || rb.dims[0] != heads)
      return op.fail(errc::shape_mismatch, "attention: rb must be an s32 constant (heads, L)");
    if (op.has(3) && op.input(3).dims[0] != rb.dims[1])
      return op.fail(errc::shape_mismatch, "attention: r and rb must cover the same distances");
    const std::size_t count = static_cast<std::size_t>(rb.length) / sizeof(std::int32_t);
    for (std::size_t i = 0; i < count; ++i)
      if (!in_range(op.element<std::int32_t>(rb, i), -(1 << 30), 1 << 30))
        return op.fail(errc::bad_value, "attention: rb must be within -2^30 to 2^30");
  }
  return {};
}

/// Levels of scores and probabilities: f32 (4) of scale and zero point each, s32 (256) of 0 to 65535, the first not 0.
inline result<void> check_levels(const op_scope& op) noexcept {
  if (op.has(5) != op.has(6)) return op.fail(errc::bad_value, "attention: levels and powers come together");
  if (!op.has(5)) return {};
  if (!is_vector(op.input(5), dtype::f32, 4) || !is_vector(op.input(6), dtype::s32, 256))
    return op.fail(errc::shape_mismatch, "attention: levels must be f32 (4), powers s32 (256)");
  for (std::size_t i = 0; i < 4; ++i) {
    const float v = op.element<float>(op.input(5), i);
    const bool zero_point = i % 2 != 0;
    if (zero_point ? !(v >= 0.0f && v <= 255.0f) : !(v >= 0x1p-126f && v <= 0x1p126f))
      return op.fail(errc::bad_value, "attention: levels have normal scales and zero points of 0 to 255");
  }
  if (!(op.element<float>(op.input(5), 2) >= 0x1p-16f))
    return op.fail(errc::bad_value, "attention: a step of probabilities is at least 2^-16");
  for (std::size_t i = 0; i < 256; ++i)
    if (!in_range(op.element<std::int32_t>(op.input(6), i), i == 0 ? 1 : 0, 65535))
      return op.fail(errc::bad_value, "attention: powers must be within 0 to 65535, the first not 0");
  return {};
}

/// How many windows of rows attend to themselves alone: as many as `kinds` has elements, 1 without.
inline std::int32_t attention_windows(const op_scope& op) noexcept { return op.has(8) ? op.input(8).dims[0] : 1; }

/// What is added to scores: s32 (N, heads or 1, Tq, Tk) within 2^29, of which each window takes one.
inline result<void> check_bias(const op_scope& op, std::int32_t heads) noexcept {
  if (op.has(8) && !is_constant(op.input(8), dtype::s32, 1))
    return op.fail(errc::shape_mismatch, "attention: kinds must be an s32 constant (windows)");
  const std::int32_t windows = attention_windows(op);
  if (windows < 1 || op.input(0).dims[0] % windows != 0 || op.input(1).dims[0] % windows != 0)
    return op.fail(errc::shape_mismatch, "attention: windows must divide Tq and Tk");
  if (!op.has(7) && !op.has(8)) return {};
  const std::int32_t kinds = op.has(7) ? op.input(7).dims[0] : 1;
  for (std::int32_t i = 0; op.has(8) && i < windows; ++i)
    if (!in_range(op.element<std::int32_t>(op.input(8), static_cast<std::size_t>(i)), 0, kinds - 1))
      return op.fail(errc::bad_value, "attention: kinds must name a bias");
  if (!op.has(7)) return {};
  const format::tensor_row& bias = op.input(7);
  if (!is_constant(bias, dtype::s32, 4) || (bias.dims[1] != 1 && bias.dims[1] != heads) ||
      bias.dims[2] != op.input(0).dims[0] / windows || bias.dims[3] != op.input(1).dims[0] / windows)
    return op.fail(errc::shape_mismatch, "attention: bias must be an s32 constant (N, heads or 1, Tq, Tk)");
  const std::size_t count = static_cast<std::size_t>(bias.length) / sizeof(std::int32_t);
  for (std::size_t i = 0; i < count; ++i)
    if (!in_range(op.element<std::int32_t>(bias, i), -(1 << 29), 1 << 29))
      return op.fail(errc::bad_value, "attention: bias must be within -2^29 to 2^29");
  return {};
}

inline result<output_form> attention(const op_scope& op) noexcept {
  const format::tensor_row& q = op.input(0);
  const format::tensor_row& k = op.input(1);
  const format::tensor_row& v = op.input(2);
  const std::int32_t heads = op.attribute(0);
  if (!is_data(q, dtype::u8) || !is_data(k, dtype::u8) || !is_data(v, dtype::u8))
    return op.fail(errc::dtype_mismatch, "attention: q, k and v must be u8");
  if (q.dims[1] != 1 || k.dims[1] != 1 || shape_of(k) != shape_of(v) || k.dims[2] != q.dims[2])
    return op.fail(errc::shape_mismatch, "attention: q must be (Tq, 1, D), k and v (Tk, 1, D)");
  if (heads < 1 || q.dims[2] % heads != 0) return op.fail(errc::bad_value, "attention: heads must divide D");
  if (!is_flag(op.attribute(1))) return op.fail(errc::bad_value, "attention: causal must be 0 or 1");
  if (k.dims[0] / (op.has(8) ? std::max(op.input(8).dims[0], 1) : 1) > 32'768)
    return op.fail(errc::too_large, "attention: more than 32768 keys");
  if (auto r = check_relative(op, heads, q.dims[2]); !r) return r.error();
  if (auto r = check_levels(op); !r) return r.error();
  if (auto r = check_bias(op, heads); !r) return r.error();
  return same_shape(q, dtype::u8);
}

inline result<output_form> append(const op_scope& op) noexcept {
  const format::tensor_row& x = op.input(0);
  const format::tensor_row& state = op.input(1);
  if (!is_flow(x) || !is_data(x))
    return op.fail(errc::bad_value, "append: pushes an input or value, not a state or constant");
  if (x.dims[1] != 1 || state.dims[1] != 1 || x.dims[2] != state.dims[2])
    return op.fail(errc::shape_mismatch, "append: rows (T, 1, C) go into a state (M, 1, C)");
  if (type_of(x) != type_of(state) || !same_scale(x, state))
    return op.fail(errc::dtype_mismatch, "append: rows and state must have the same type, scale and zero point");
  return output_form{};
}

inline result<output_form> spectral(const op_scope& op) noexcept {
  const format::tensor_row& x = op.input(0);
  const format::tensor_row& past = op.input(1);
  const format::tensor_row& edges = op.input(3);
  if (!is_flow(x) || !is_data(x, dtype::f32) || type_of(past) != dtype::f32)
    return op.fail(errc::dtype_mismatch, "spectral: samples and state must be f32");
  if (x.dims[1] != 1 || past.dims[1] != 1 || x.dims[2] != past.dims[2])
    return op.fail(errc::shape_mismatch, "spectral: samples (N, 1, C) go into a state (W, 1, C)");
  const std::int32_t window = past.dims[0];
  if (!in_range(window, 32, 4096) || !std::has_single_bit(static_cast<std::uint32_t>(window)))
    return op.fail(errc::bad_value, "spectral: its window must be a power of two from 32 to 4096");
  if (!is_vector(op.input(2), dtype::f32, window))
    return op.fail(errc::shape_mismatch, "spectral: window must be f32 (W)");
  if (!is_constant(edges, dtype::s32, 1) || !in_range(edges.dims[0], 2, window / 2 + 2))
    return op.fail(errc::shape_mismatch, "spectral: edges must be s32 (B + 1), B from 1 to W / 2 + 1");
  for (std::size_t i = 0; i < static_cast<std::size_t>(edges.dims[0]); ++i) {
    const std::int32_t edge = op.element<std::int32_t>(edges, i);
    if (!in_range(edge, 0, window / 2 + 1) || (i != 0 && edge <= op.element<std::int32_t>(edges, i - 1)))
      return op.fail(errc::bad_value, "spectral: edges must ascend within 0 to W / 2 + 1");
  }
  const std::int64_t channels = std::int64_t{x.dims[2]} * (edges.dims[0] + 2);
  if (channels > format::max_extent) return op.fail(errc::too_large, "spectral: more than 2^24 features");
  return output_form{{1, 1, static_cast<std::int32_t>(channels)}, false, true};
}

}  // namespace dsmm::inline DSMM_ABI::infer_impl
