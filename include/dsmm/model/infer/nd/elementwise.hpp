// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/kernels/nd/functions.hpp"
#include "dsmm/model/infer/nd/nd_scope.hpp"

/// Shape rules of general operators that work element by element or along axes.
namespace dsmm::inline DSMM_ABI::infer_impl {

namespace fn = kernels::nd;

template <class Enum>
constexpr std::int32_t count_of() noexcept {
  return static_cast<std::int32_t>(Enum::count);
}

/// The element type that a unary function gives for x; false if it has no meaning for x.
inline bool unary_type(fn::unary_fn f, dtype x, dtype& y) noexcept {
  using enum fn::unary_fn;
  y = x;
  switch (f) {
    case identity: return true;
    case logical_not: return x == dtype::b8;
    case bitwise_not: return is_integer(x) && is_numeric(x);
    case relu:
    case neg:
    case abs:
    case sign: return is_numeric(x);
    case is_nan:
    case is_inf: y = dtype::b8; return is_float(x);
    default: return is_float(x);
  }
}

inline result<void> nd_unary(const nd_scope& op) noexcept {
  if (!op.choice(0, count_of<fn::unary_fn>())) return op.bad_attribute();
  dtype y{};
  if (!unary_type(static_cast<fn::unary_fn>(op.attribute(0)), op.type(0), y)) return op.bad_type();
  return op.expect(0, y, op.shape(0));
}

inline result<void> nd_binary(const nd_scope& op) noexcept {
  using enum fn::binary_fn;
  if (!op.choice(0, count_of<fn::binary_fn>())) return op.bad_attribute();
  const auto f = static_cast<fn::binary_fn>(op.attribute(0));
  const dtype x = op.type(0);
  const bool compares = f >= equal && f <= less_equal;
  bool fine = is_numeric(x);
  if (f == equal) fine = fine || x == dtype::b8;
  if (f >= logical_and && f <= logical_xor) fine = x == dtype::b8;
  if (f >= bit_and && f <= shift_right) fine = fine && is_integer(x);
  if (!fine || op.type(1) != x) return op.bad_type();
  const nd_shape y = broadcast(op.shape(0), op.shape(1));
  if (!y.fits) return op.bad_shape();
  return op.expect(0, compares ? dtype::b8 : x, y);
}

inline result<void> nd_where(const nd_scope& op) noexcept {
  if (op.type(0) != dtype::b8 || op.type(1) != op.type(2)) return op.bad_type();
  const nd_shape y = broadcast(op.shape(0), broadcast(op.shape(1), op.shape(2)));
  if (!y.fits) return op.bad_shape();
  return op.expect(0, op.type(1), y);
}

inline result<void> nd_cast(const nd_scope& op) noexcept {
  if (!op.choice(0, 2)) return op.bad_attribute();
  return op.expect(0, op.output_type(), op.shape(0));
}

inline nd_shape reduced(nd_shape x, std::uint32_t axes, bool keep) noexcept {
  nd_shape y;
  for (std::size_t i = 0; i < x.rank; ++i)
    if ((axes >> i & 1) == 0) y.push(x.dims[i]);
    else if (keep) y.push(1);
  return y;
}

inline result<void> nd_reduce(const nd_scope& op) noexcept {
  if (!op.choice(0, count_of<fn::reduce_fn>()) || !op.choice(1, 1 << op.rank(0)) || !op.choice(2, 2))
    return op.bad_attribute();
  using enum fn::reduce_fn;
  const auto f = static_cast<fn::reduce_fn>(op.attribute(0));
  const bool real = f == l2 || f == log_sum || f == log_sum_exp, ordered = f == max || f == min;
  if (!(real ? is_float(op.type(0)) : is_numeric(op.type(0)) || (ordered && op.type(0) == dtype::b8)))
    return op.bad_type();
  return op.expect(0, op.type(0),
                   reduced(op.shape(0), static_cast<std::uint32_t>(op.attribute(1)), op.attribute(2) != 0));
}

inline result<void> nd_arg(const nd_scope& op) noexcept {
  if (!op.choice(0, 2) || !op.axis_of(0, 1) || !op.choice(2, 2) || !op.choice(3, 2)) return op.bad_attribute();
  if (!is_numeric(op.type(0))) return op.bad_type();
  if (op.shape(0).dims[op.axis(1)] == 0) return op.bad_shape();
  return op.expect(0, dtype::s64, reduced(op.shape(0), 1u << op.axis(1), op.attribute(2) != 0));
}

inline result<void> nd_softmax(const nd_scope& op) noexcept {
  if (!op.choice(0, count_of<fn::softmax_fn>()) || !op.axis_of(0, 1)) return op.bad_attribute();
  if (!is_float(op.type(0))) return op.bad_type();
  return op.expect(0, op.type(0), op.shape(0));
}

inline result<void> nd_layer_norm(const nd_scope& op) noexcept {
  if (!op.axis_of(0, 0) || !op.choice(2, 2) || !(op.attribute_f32(1) >= 0.0f)) return op.bad_attribute();
  const dtype x = op.type(0);
  if (!is_float(x)) return op.bad_type();
  const nd_shape shape = op.shape(0);
  nd_shape statistics = shape;
  for (std::size_t i = op.axis(0); i < shape.rank; ++i) statistics.dims[i] = 1;
  for (std::uint32_t i = 1; i < 3; ++i) {
    if (!op.has(i)) continue;
    if (op.type(i) != x) return op.bad_type();
    nd_shape part = op.shape(i);
    if (part.rank > shape.rank - op.axis(0) || !broadcasts_to(part, shape)) return op.bad_shape();
  }
  const dtype wide = x == dtype::f64 ? dtype::f64 : dtype::f32;
  for (std::uint32_t k = 1; k < 3; ++k)
    if (auto r = op.expect(k, wide, statistics); !r) return r;
  return op.expect(0, x, shape);
}

inline result<void> nd_group_norm(const nd_scope& op) noexcept {
  const nd_shape x = op.shape(0);
  if (!is_float(op.type(0))) return op.bad_type();
  if (x.rank < 2) return op.bad_shape();
  if (op.attribute(0) < 1 || x.dims[1] % op.attribute(0) != 0 || !(op.attribute_f32(1) >= 0.0f))
    return op.bad_attribute();
  for (std::uint32_t i = 1; i < 3; ++i) {
    if (!op.has(i)) continue;
    if (op.type(i) != op.type(0)) return op.bad_type();
    if (op.rank(i) != 1 || (op.shape(i).dims[0] != x.dims[1] && op.shape(i).dims[0] != op.attribute(0)))
      return op.bad_shape();
  }
  return op.expect(0, op.type(0), x);
}

inline result<void> nd_lp_norm(const nd_scope& op) noexcept {
  if (!op.axis_of(0, 0) || !in_range(op.attribute(1), 1, 2)) return op.bad_attribute();
  if (!is_float(op.type(0))) return op.bad_type();
  return op.expect(0, op.type(0), op.shape(0));
}

inline result<void> nd_lrn(const nd_scope& op) noexcept {
  if (!in_range(op.attribute(0), 1, format::max_window)) return op.bad_attribute();
  if (!is_float(op.type(0))) return op.bad_type();
  if (op.rank(0) < 2) return op.bad_shape();
  return op.expect(0, op.type(0), op.shape(0));
}

inline result<void> nd_cumsum(const nd_scope& op) noexcept {
  if (!op.axis_of(0, 0) || !op.choice(1, 2) || !op.choice(2, 2)) return op.bad_attribute();
  if (!is_numeric(op.type(0))) return op.bad_type();
  return op.expect(0, op.type(0), op.shape(0));
}

/// The number of values that a scale or zero point has: one, one per index of the axis, or one per block along it.
inline bool is_scale_shape(const nd_shape& s, const nd_shape& x, std::size_t axis, std::int32_t block) noexcept {
  if (block == 0 && s.rank <= 1 && s.elements() == 1) return true;
  if (axis >= x.rank) return false;
  if (block == 0) return s.rank == 1 && s.dims[0] == x.dims[axis];
  nd_shape blocks = x;
  blocks.dims[axis] = (x.dims[axis] + block - 1) / block;
  return s == blocks;
}

inline result<void> check_scale(const nd_scope& op, dtype quantized) noexcept {
  if (!in_range(op.attribute(0), 0, format::max_rank - 1) || !in_range(op.attribute(1), 0, format::max_extent))
    return op.bad_attribute();
  if (!is_float(op.type(1)) || (op.has(2) && op.type(2) != quantized)) return op.bad_type();
  if (!is_scale_shape(op.shape(1), op.shape(0), op.axis(0), op.attribute(1))) return op.bad_shape();
  if (op.has(2) && op.shape(2).elements() != op.shape(1).elements()) return op.bad_shape();
  return {};
}

inline result<void> nd_quantize(const nd_scope& op) noexcept {
  const dtype y = op.output_type();
  const bool narrow = is_narrow_float(y) && size_of(y) == 1;
  if (!narrow && (!is_integer(y) || size_of(y) > 2)) return op.bad_type();
  if (!is_float(op.type(0)) && op.type(0) != dtype::s32) return op.bad_type();
  if (!op.choice(2, 2)) return op.bad_attribute();
  if (auto r = check_scale(op, y); !r) return r;
  return op.expect(0, y, op.shape(0));
}

inline result<void> nd_dequantize(const nd_scope& op) noexcept {
  const dtype x = op.type(0);
  const bool narrow = is_narrow_float(x) && size_of(x) == 1;
  if ((!narrow && (!is_integer(x) || size_of(x) > 4 || x == dtype::u32)) || !is_float(op.output_type()))
    return op.bad_type();
  if (auto r = check_scale(op, x); !r) return r;
  return op.expect(0, op.output_type(), op.shape(0));
}

inline result<void> nd_dynamic_quantize(const nd_scope& op) noexcept {
  if (op.type(0) != dtype::f32) return op.bad_type();
  if (auto r = op.expect(0, dtype::u8, op.shape(0)); !r) return r;
  if (auto r = op.expect(1, dtype::f32, nd_shape()); !r) return r;
  return op.expect(2, dtype::u8, nd_shape());
}

}  // namespace dsmm::inline DSMM_ABI::infer_impl
